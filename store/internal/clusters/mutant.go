package main

// Mutants are clusters that break a promise. The tests run each: the harness must notice.
const (
	mutantEarly      = "acknowledged before the commit"
	mutantUnverified = "a leader reads without asking the others, also soon after it was one"
	mutantFeed       = "a feed loses a batch"
	mutantDeparture  = "a list loses a departure"
	mutantStale      = "a node gets an old copy of its directory back"
	mutantTalks      = "a halted node answers reads"
	mutantBare       = "a retry without its condition"
)
