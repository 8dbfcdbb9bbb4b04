package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// picture has one curve for each peer, on two logarithmic axes.
type picture struct {
	file        string
	title, x, y string
	work        *regexp.Regexp // its only group is x
	value       func(*result) float64
}

var pictures = []picture{
	{"update-writers.svg", "Durable client updates", "writers", "updates/s",
		regexp.MustCompile(`^curve/update/writers=(\d+)$`), rateOf},
	{"update-allocations.svg", "Durable client updates, 256 writers", "allocations", "updates/s",
		regexp.MustCompile(`^curve/update/n=(\d+)$`), rateOf},
	{"lookup-allocations.svg", "Get, everything in memory, two goroutines", "allocations", "lookups/s",
		regexp.MustCompile(`^curve/lookup/n=(\d+)$`), rateOf},
	{"open-allocations.svg", "Open, warm page cache", "allocations", "seconds",
		regexp.MustCompile(`^curve/open/n=(\d+)$`), func(r *result) float64 { return r.P50.Seconds() }},
}

func rateOf(r *result) float64 { return r.Rate }

// curves holds the points of each peer, in the order of the results.
type curves struct {
	peers  []string
	points map[string]plotter.XYs
}

// curves selects the picture's points from the results.
func (p *picture) curves(results []result) curves {
	c := curves{points: make(map[string]plotter.XYs)}
	for i := range results {
		r := &results[i]
		match := p.work.FindStringSubmatch(r.Work)
		if match == nil {
			continue
		}
		x, err := strconv.ParseFloat(match[1], 64)
		if y := p.value(r); err == nil && x > 0 && y > 0 {
			if c.points[r.Peer] == nil {
				c.peers = append(c.peers, r.Peer)
			}
			c.points[r.Peer] = append(c.points[r.Peer], plotter.XY{X: x, Y: y})
		}
	}
	return c
}

// drawAll writes every picture with at least one point to dir.
func drawAll(dir string, results []result) error {
	for i := range pictures {
		p := &pictures[i]
		c := p.curves(results)
		if len(c.peers) == 0 {
			continue
		}
		svg, err := p.svg(c)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, p.file), svg, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// svg draws the curves.
func (p *picture) svg(c curves) ([]byte, error) {
	sheet, err := p.sheet(c)
	if err != nil {
		return nil, err
	}
	canvas := vgsvg.New(20*vg.Centimeter, 12*vg.Centimeter)
	sheet.Draw(draw.New(canvas))
	var svg bytes.Buffer
	_, err = canvas.WriteTo(&svg)
	return svg.Bytes(), err
}

// sheet returns the plot of the curves.
func (p *picture) sheet(c curves) (*plot.Plot, error) {
	sheet := plot.New()
	sheet.Title.Text = p.title
	sheet.X.Label.Text, sheet.Y.Label.Text = p.x, p.y
	for _, axis := range []*plot.Axis{&sheet.X, &sheet.Y} {
		axis.Scale = plot.LogScale{}
		axis.Tick.Marker = plot.LogTicks{Prec: -1}
	}
	sheet.Add(plotter.NewGrid())
	sheet.Legend.Top = true
	for i, peer := range c.peers {
		if err := addCurve(sheet, i, peer, c.points[peer]); err != nil {
			return nil, err
		}
	}
	sheet.X.Min, sheet.X.Max = widened(sheet.X.Min, sheet.X.Max)
	sheet.X.Max *= math.Pow(sheet.X.Max/sheet.X.Min, 0.45) // room for the legend
	sheet.Y.Min, sheet.Y.Max = decades(sheet.Y.Min, sheet.Y.Max)
	return sheet, nil
}

// widened returns the range of an axis, or a wider one if it is a single point, which a
// logarithmic axis cannot show.
func widened(low, high float64) (float64, float64) {
	if low < high {
		return low, high
	}
	return low / 2, high * 2
}

// decades widens an axis to whole powers of ten.
func decades(low, high float64) (float64, float64) {
	low, high = widened(low, high)
	return math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
}

// addCurve adds the i-th curve.
func addCurve(sheet *plot.Plot, i int, peer string, points plotter.XYs) error {
	slices.SortFunc(points, func(a, b plotter.XY) int { return int(a.X - b.X) })
	line, marks, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	line.Color, marks.Color, marks.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
	if peer == ours {
		line.Width = vg.Points(2.5)
	}
	sheet.Add(line, marks)
	sheet.Legend.Add(peer, line, marks)
	return nil
}
