// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"ambient.alauda.io/ztunnel-standin/routing"
)

type options struct {
	targets   []routing.Target
	method    string
	rate      float64
	duration  time.Duration // 0: until SIGTERM
	timeout   time.Duration
	mode      routing.Mode
	plaintext bool
	once      bool
	retries   int
	expect    []int
}

func parse(arguments []string) (options, error) {
	o := options{}
	f := flag.NewFlagSet("routing-test-client", flag.ContinueOnError)
	f.SetOutput(io.Discard) // main prints the error
	var targets []string
	f.Func("target", "http://SERVICE.NAMESPACE[:port]/path, or with an address; repeatable", func(s string) error {
		targets = append(targets, s)
		return nil
	})
	domain := f.String("domain", "cluster.local", "the cluster's domain")
	mode := f.String("mode", string(routing.ModeService), "service, pod-ip or headless")
	expect := f.String("expect", "200", "statuses that are no failures, with commas")
	f.StringVar(&o.method, "method", "GET", "of the requests")
	f.Float64Var(&o.rate, "rate", 10, "requests per second and target")
	f.DurationVar(&o.duration, "duration", 0, "of the loop; until SIGTERM without")
	f.DurationVar(&o.timeout, "timeout", 3*time.Second, "of a request")
	f.IntVar(&o.retries, "retries", 0, "how often a request without an answer, or with 503, is sent again")
	f.BoolVar(&o.plaintext, "plaintext", false, "plain text, as a caller outside the mesh")
	f.BoolVar(&o.once, "once", false, "one request to the first target")
	if err := f.Parse(arguments); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	if len(targets) == 0 || o.rate <= 0 {
		return o, errors.New("--target is missing, or --rate is not above 0")
	}
	for _, text := range targets {
		t, err := routing.ParseTarget(text, *domain)
		if err != nil {
			return o, err
		}
		o.targets = append(o.targets, t)
	}
	var err error
	if o.mode, err = routing.ParseMode(*mode); err != nil {
		return o, err
	}
	o.expect, err = numbers(*expect)
	return o, err
}

func numbers(text string) ([]int, error) {
	var out []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, fmt.Errorf("--expect %q: %w", text, err)
		}
		out = append(out, n)
	}
	return out, nil
}
