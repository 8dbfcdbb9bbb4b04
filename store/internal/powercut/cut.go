package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
)

// A tally counts the images of power cuts.
type tally struct {
	Images  int
	Points  int            // moments at which power was cut
	Fresh   int            // images in which there was no store yet
	AtAck   int            // that opened at the last acknowledged index
	Beyond  int            // that opened after it
	Fates   map[string]int // how many had a unit with that fate
	Bad     int            // that lost something, or showed what never was
	Example string         // one of the bad ones
}

// add takes another tally in.
func (t *tally) add(o *tally) {
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

// A cutting is how the power of a recording is cut.
type cutting struct {
	budget int // images, more or less
	most   int // bad ones after which it ends
	seed   uint64
	from   int   // the operation before which nothing is cut
	whole  bool  // no write is torn: what is below a file system keeps its blocks whole
	on     *ext4 // what the store is in; nil: the disk itself
}

// usedEach is one in how many images is written to, and opened again.
const usedEach = 4

// A trialImage is an image on its way to being judged.
type trialImage struct {
	*image
	used bool
	has  [len(fateNames)]bool
}

// cut cuts the power of a recording before every sync, and at the end, and judges
// what is left. Between two syncs nothing becomes durable for sure, so a cut at any
// other moment leaves one of the same images; and what has been acknowledged only
// grows.
func (c cutting) cut(rec *recording) (*tally, error) {
	points := 1
	for i := range rec.Ops {
		if i >= c.from && rec.Ops[i].isSync() {
			points++
		}
	}
	total := &tally{Points: points}
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
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			err := c.judgeAll(rec.history, images, func(img *trialImage, v verdict) {
				mu.Lock()
				defer mu.Unlock()
				if total.take(img, v); c.most > 0 && total.Bad >= c.most {
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

// isSync reports whether power is cut before op.
func (op *Op) isSync() bool { return op.Kind == OpSync || op.Kind == OpSyncDir }

// generate makes some images of each point, until yield wants no more.
func (c cutting) generate(ops []Op, each int, yield func(trialImage) bool) {
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

// images makes so many images of a power cut at this moment.
func (c cutting) images(d *device, at, most int, r *rand.Rand, yield func(trialImage) bool) bool {
	var all [][]fate
	if c.whole {
		all = subsets(len(d.units), r)
	} else {
		all = fates(d.units, r)
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if !c.whole { // where there are not very few
		all = slices.Insert(all, min(4, len(all)), lastAlone(len(d.units))...)
	}
	units := slices.Clone(d.units)
	for _, one := range all[:min(most, len(all))] {
		img := trialImage{image: d.cutPower(one), used: r.IntN(usedEach) == 0}
		img.what = func() string {
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

// judgeAll judges images in a directory of its own, until there are no more.
func (c cutting) judgeAll(h *history, images <-chan trialImage, told func(*trialImage, verdict)) (err error) {
	dir, err := os.MkdirTemp(scratch(), "allocstore-powercut-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for img := range images {
		told(&img, c.judge(h, &img, dir))
		if err := empty(dir); err != nil {
			return err
		}
	}
	return nil
}

func (c cutting) judge(h *history, img *trialImage, dir string) verdict {
	if c.on != nil {
		return c.on.judge(h, img.image, dir, img.used)
	}
	return h.judge(img.image, dir, img.used)
}

// take counts an image.
func (t *tally) take(img *trialImage, v verdict) {
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
			t.Example = fmt.Sprintf("%v\n%s", v.err, img.what())
		}
	case v.fresh:
		t.Fresh++
	case v.index > img.acked:
		t.Beyond++
	default:
		t.AtAck++
	}
}
