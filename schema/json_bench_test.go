package schema

import (
	"encoding/json"
	"testing"
)

// BenchmarkJSON encodes and decodes the documented allocation.
func BenchmarkJSON(b *testing.B) {
	text := fixture(b, "allocation.json")
	a := documented()
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(Displayed{a}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := DecodeJSON(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	a := withEvents(documented(), MaxTaskEvents)
	placed := documented()
	placed.Job = nil
	for name, validate := range map[string]func() error{
		"scheduler": placed.Validate, "job": a.Job.Validate, "client/events": a.ValidateClient,
	} {
		b.Run("part="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := validate(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
