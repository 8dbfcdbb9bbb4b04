package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
)

// counts are the results of power cuts.
type counts struct {
	Images  int
	Points  int            // moments of power cuts
	Fresh   int            // images without a store yet
	AtAck   int            // images that opened at the last acknowledged index
	Beyond  int            // images that opened after it
	Fates   map[string]int // images that had a unit with that fate
	Bad     int            // images that lost a batch, or showed a wrong state
	Example string         // of a bad image
}

// add adds o to t.
func (t *counts) add(o *counts) {
	t.Images += o.Images
	t.Points += o.Points
	t.Fresh += o.Fresh
	t.AtAck += o.AtAck
	t.Beyond += o.Beyond
	t.Bad += o.Bad
	if t.Example == "" {
		t.Example = o.Example
	}
	if t.Fates == nil {
		t.Fates = make(map[string]int)
	}
	for name, n := range o.Fates {
		t.Fates[name] += n
	}
}

// A cutter cuts the power of recordings.
type cutter struct {
	budget int // the approximate number of images
	maxBad int // stop after so many bad images
	seed   uint64
	from   int  // the first operation before which power is cut
	whole  bool // no write is torn: the disk keeps a file system's blocks whole

	// judge judges an image in an empty directory; nil: it has a store.
	judge   func(h *history, img *trialImage, dir string) verdict
	workers int // images that are judged at a time; 0: as many as processors
}

// One image in usedEach is written to, and opened again.
const usedEach = 4

// A trialImage is an image to be judged.
type trialImage struct {
	*image
	used bool // write to it, too
	has  [len(fateNames)]bool
}

// cut cuts the power of a recording before every sync and at the end, and judges the
// images. Between two syncs nothing becomes durable for sure, so a cut at another moment
// leaves one of the same images; and the acknowledged index only grows.
func (c cutter) cut(rec *recording) (*counts, error) {
	points := 1
	for i := range rec.Ops {
		if i >= c.from && rec.Ops[i].isSync() {
			points++
		}
	}
	total := &counts{Points: points}
	images, stop := make(chan trialImage), make(chan struct{})
	go func() {
		defer close(images)
		c.generate(rec.Ops, 1+c.budget/points, func(img trialImage) bool {
			select {
			case images <- img:
				return true
			case <-stop:
				return false
			}
		})
	}()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	ended := sync.OnceFunc(func() { close(stop) })
	for range cmp.Or(c.workers, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			err := c.judgeAll(rec.history, images, func(img *trialImage, v verdict) {
				mu.Lock()
				defer mu.Unlock()
				if total.count(img, v); c.maxBad > 0 && total.Bad >= c.maxBad {
					ended()
				}
			})
			if err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
				ended()
			}
		})
	}
	wg.Wait()
	ended()
	return total, failed
}

// isSync reports whether op is a sync, before which power is cut.
func (op *Op) isSync() bool { return op.Kind == OpSync || op.Kind == OpSyncDir }

// generate makes some images of each point, until yield returns false.
func (c cutter) generate(ops []Op, each int, yield func(trialImage) bool) {
	r := rand.New(rand.NewPCG(c.seed, 2))
	d := newDevice()
	for i := range len(ops) + 1 {
		if i == len(ops) || i >= c.from && ops[i].isSync() {
			if !c.images(d, i, each, r, yield) {
				return
			}
		}
		if i < len(ops) {
			d.do(&ops[i])
		}
	}
}

// images makes up to most images of a power cut before operation at.
func (c cutter) images(d *device, at, most int, r *rand.Rand, yield func(trialImage) bool) bool {
	var all [][]fate
	if c.whole {
		all = subsets(len(d.units), r)
	} else {
		all = fates(d.units, r)
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if !c.whole { // among the first, which are tried in any case
		all = slices.Insert(all, min(4, len(all)), lastAlone(len(d.units))...)
	}
	units := slices.Clone(d.units)
	for _, one := range all[:min(most, len(all))] {
		img := trialImage{image: d.cutPower(one), used: r.IntN(usedEach) == 0}
		img.name = func() string {
			return fmt.Sprintf("power cut before operation %d, index %d acknowledged:%s", at, img.acked, describe(units, one))
		}
		for _, t := range one {
			img.has[t.kind] = true
		}
		if !yield(img) {
			return false
		}
	}
	return true
}

// judgeAll judges all images, in a directory of its own, and reports each verdict.
func (c cutter) judgeAll(h *history, images <-chan trialImage, report func(*trialImage, verdict)) (err error) {
	dir, err := os.MkdirTemp(scratch(), "allocstore-powercut-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	judge := c.judge
	if judge == nil {
		judge = judgeStoreImage
	}
	for img := range images {
		report(&img, judge(h, &img, dir))
		if err := empty(dir); err != nil {
			return err
		}
	}
	return nil
}

// judgeStoreImage judges an image that has a store.
func judgeStoreImage(h *history, img *trialImage, dir string) verdict {
	return h.judge(img.image, dir, img.used)
}

// count counts an image.
func (t *counts) count(img *trialImage, v verdict) {
	t.Images++
	if t.Fates == nil {
		t.Fates = make(map[string]int)
	}
	for kind, has := range img.has {
		if has {
			t.Fates[fateNames[kind]]++
		}
	}
	switch {
	case v.err != nil:
		t.Bad++
		if t.Example == "" {
			t.Example = fmt.Sprintf("%v\n%s", v.err, img.name())
		}
	case v.fresh:
		t.Fresh++
	case v.index > img.acked:
		t.Beyond++
	default:
		t.AtAck++
	}
}
