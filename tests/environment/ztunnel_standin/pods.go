// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"
)

// removalGrace is what connections of a pod that left the mesh get to finish.
const removalGrace = 30 * time.Second

// runningPod is what the set keeps of a pod: *pod, or a fake in tests.
type runningPod interface {
	// sameNamespace tells whether netns is the one the pod is served in.
	sameNamespace(netns *os.File) bool
	// close stops accepting, waits for connections up to grace, then cuts them.
	close(grace time.Duration)
}

// podSet is the pods that the CNI agent has handed over, by UID.
type podSet struct {
	enroller *enroller
	open     func(w workload, netns *os.File) (runningPod, error) // takes netns over, also when it fails
	mu       sync.Mutex
	running  map[string]runningPod
	seen     map[string]bool // UIDs named in the snapshot under way; nil after it
	closing  sync.WaitGroup
}

func newPodSet(e *enroller) *podSet {
	return &podSet{enroller: e, open: e.openPod, running: map[string]runningPod{}}
}

// beginSnapshot starts a connection: until endSnapshot the agent names all pods it knows.
func (s *podSet) beginSnapshot() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = map[string]bool{}
}

// add serves a pod; one that is served already in the same namespace is left
// alone, since the agent names every pod again after it has reconnected.
func (s *podSet) add(uid string, w workload, netns *os.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen != nil {
		s.seen[uid] = true
	}
	old := s.running[uid]
	if old != nil && old.sameNamespace(netns) {
		return netns.Close()
	}
	p, err := s.open(w, netns)
	if err != nil {
		return err
	}
	if old != nil { // the sandbox was created anew
		s.retire(uid)
	}
	s.running[uid] = p
	slog.Info("stand-in: pod added", "pod", w, "account", w.serviceAccount)
	return nil
}

// keep spares a pod whose namespace the agent could not find.
func (s *podSet) keep(uid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		return errors.New("keep is only allowed before the snapshot is complete")
	}
	s.seen[uid] = true
	return nil
}

func (s *podSet) remove(uid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, uid)
	s.retire(uid)
}

// endSnapshot retires the pods that the snapshot did not name: they went while
// there was no connection.
func (s *podSet) endSnapshot() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		return errors.New("the snapshot is complete already")
	}
	for uid := range s.running {
		if !s.seen[uid] {
			s.retire(uid)
		}
	}
	s.seen = nil
	slog.Info("stand-in: snapshot complete", "pods", len(s.running))
	return nil
}

func (s *podSet) retire(uid string) {
	p := s.running[uid]
	if p == nil {
		return
	}
	delete(s.running, uid)
	slog.Info("stand-in: pod retired", "uid", uid)
	s.closing.Go(func() { p.close(removalGrace) })
}

// closeAll drains every pod at the same time and returns when all are closed.
func (s *podSet) closeAll(grace time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all sync.WaitGroup
	for _, p := range s.running {
		all.Go(func() { p.close(grace) })
	}
	all.Wait()
	clear(s.running)
}
