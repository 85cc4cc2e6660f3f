// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"sync"
	"time"

	"ambient.alauda.io/ztunnel-standin/routing"
)

// answer is the line of --once.
type answer struct {
	Client   string `json:"client"`
	Kind     string `json:"kind"`
	Target   string `json:"target"`
	Method   string `json:"method"`
	Status   int    `json:"status"` // 0: no answer
	Route    string `json:"route"`
	Hostname string `json:"hostname"` // of the pod that answered
	Error    string `json:"error"`
}

func once(ctx context.Context, client *routing.Client, o options) answer {
	t := o.targets[0]
	r := client.Do(ctx, o.method, t)
	out := answer{
		Client: routing.Banner, Kind: "once", Target: t.URL.String(), Method: o.method,
		Status: r.Status, Route: r.Route, Hostname: r.Hostname,
	}
	if r.Err != nil {
		out.Error = r.Err.Error()
	}
	return out
}

// loop reports each second until the duration is over or ctx ends.
func loop(ctx context.Context, client *routing.Client, o options) error {
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	report := routing.NewReport(o.expect)
	var sending sync.WaitGroup
	sending.Go(func() { send(ctx, client, o, report) })
	every(ctx, time.Second, func() { _ = say(report.Second()) })
	sending.Wait()
	return say(report.Final())
}

// send keeps the rate, whether or not earlier requests have been answered; once
// ctx ends it sends no more, and comes back when all have been.
func send(ctx context.Context, client *routing.Client, o options, report *routing.Report) {
	var requests sync.WaitGroup
	for _, t := range o.targets {
		requests.Go(func() {
			every(ctx, time.Duration(float64(time.Second)/o.rate), func() {
				requests.Go(func() { report.Add(t.URL.String(), client.Do(context.WithoutCancel(ctx), o.method, t)) })
			})
		})
	}
	requests.Wait()
}

func every(ctx context.Context, pause time.Duration, do func()) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}
