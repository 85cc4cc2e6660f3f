// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package routing

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

const firstErrors = 10

// Tally counts requests. A request has failed if there was no answer, or one
// with another status than those expected.
type Tally struct {
	Total    int            `json:"total"`
	Failed   int            `json:"failed"`
	Statuses map[string]int `json:"statuses"`
	Routes   map[string]int `json:"routes"`
	Reasons  map[string]int `json:"reasons"`
	Repeated map[string]int `json:"repeated"` // tries that were followed by another one, by their reasons
}

func newTally() Tally {
	return Tally{Statuses: map[string]int{}, Routes: map[string]int{}, Reasons: map[string]int{}, Repeated: map[string]int{}}
}

func (t *Tally) add(r Result, failed bool) {
	t.Total++
	for _, reason := range r.Before {
		t.Repeated[reason]++
	}
	if r.Route != "" {
		t.Routes[r.Route]++
	}
	if r.Status != 0 {
		t.Statuses[fmt.Sprint(r.Status)]++
	}
	if failed {
		t.Failed++
		t.Reasons[r.Reason()]++
	}
}

func (t *Tally) copy() Tally {
	return Tally{
		Total: t.Total, Failed: t.Failed,
		Statuses: maps.Clone(t.Statuses), Routes: maps.Clone(t.Routes), Reasons: maps.Clone(t.Reasons),
		Repeated: maps.Clone(t.Repeated),
	}
}

// Failure is one failed request in full.
type Failure struct {
	Time   time.Time `json:"time"`
	Target string    `json:"target"`
	Route  string    `json:"route,omitempty"`
	Error  string    `json:"error"`
}

// Line is one line of a report.
type Line struct {
	Client   string         `json:"client"`
	Kind     string         `json:"kind"` // second | final
	Time     time.Time      `json:"time"`
	Now      *Tally         `json:"now,omitempty"` // of this second
	Sum      Tally          `json:"sum"`           // of all so far
	First    []Failure      `json:"first_errors,omitempty"`
	BySecond map[string]int `json:"failed_by_second,omitempty"` // only in the final line
}

// Banner stands in each line, so that no reader takes it for ztunnel's word.
const Banner = "routing test client, no ztunnel"

// Report is the count of a loop.
type Report struct {
	expect   []int
	mu       sync.Mutex
	sum, now Tally
	first    []Failure
	bySecond map[string]int
}

// NewReport counts answers with other statuses than these as failed.
func NewReport(expect []int) *Report {
	return &Report{expect: expect, sum: newTally(), now: newTally(), bySecond: map[string]int{}}
}

// Add counts a request that has ended just now.
func (r *Report) Add(target string, result Result) {
	at := time.Now().UTC()
	failed := result.Err != nil || !slices.Contains(r.expect, result.Status)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.add(result, failed)
	r.now.add(result, failed)
	if !failed {
		return
	}
	r.bySecond[at.Format(time.RFC3339)]++
	if len(r.first) < firstErrors {
		words := result.Reason()
		if result.Err != nil {
			words = result.Err.Error()
		}
		r.first = append(r.first, Failure{at, target, result.Route, words})
	}
}

// Second is the line of the second that ends now.
func (r *Report) Second() Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now
	r.now = newTally()
	return Line{Client: Banner, Kind: "second", Time: time.Now().UTC(), Now: &now, Sum: r.sum.copy(), First: slices.Clone(r.first)}
}

// Final is the last line.
func (r *Report) Final() Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Line{Client: Banner, Kind: "final", Time: time.Now().UTC(), Sum: r.sum.copy(), First: r.first, BySecond: r.bySecond}
}
