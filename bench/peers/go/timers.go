package main

// W7, W9: timers, and sleeping goroutines that are cancelled.

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// 1 to 1000 ms, in no order.
func spread(i int) time.Duration { return time.Duration(i*7919%1000+1) * time.Millisecond }

func nothing() {}

// AfterFunc instead of NewTimer: it makes no channel.
func createAndCancel(o options) {
	count := o.scaled(1_000_000)
	stopped := uint64(0)
	start := time.Now()
	for i := 0; i < count; i++ {
		timer := time.AfterFunc(spread(i), nothing)
		if timer.Stop() {
			stopped++
		}
	}
	report("W7-cancel", "time", since(start, count), "ns")
	expectMost("W7-cancel", stopped, uint64(count))
}

func bulk(o options) {
	count := o.scaled(1_000_000)
	stopped := uint64(0)
	start := time.Now()
	timers := make([]*time.Timer, count)
	for i := range timers {
		timers[i] = time.AfterFunc(10*time.Second+spread(i), nothing)
	}
	for _, timer := range timers {
		if timer.Stop() {
			stopped++
		}
	}
	report("W7-bulk", "time", since(start, count), "ns")
	expectSum("W7-bulk", stopped, uint64(count))
}

func sleepers(o options) {
	count := o.scaled(100_000)
	results := make([]uint32, count)
	var children sync.WaitGroup
	children.Add(count)
	start := time.Now()
	for i := 0; i < count; i++ {
		go func(i int) {
			time.Sleep(10 * time.Millisecond)
			results[i] = 1
			children.Done()
		}(i)
	}
	children.Wait()
	report("W7-sleep", "time", milliseconds(start), "ms")
	sum := uint64(0)
	for _, result := range results {
		sum += uint64(result)
	}
	expectSum("W7-sleep", sum, uint64(count))
}

func storm(o options) {
	count := o.scaled(100_000)
	present := make(rollCall, count)
	cancelled := uint64(0)
	all, cancel := context.WithCancel(context.Background())
	var children sync.WaitGroup
	children.Add(count)
	for i := 0; i < count; i++ {
		go func(i int) {
			defer children.Done()
			present.here(i)
			timer := time.NewTimer(time.Hour)
			defer timer.Stop()
			select {
			case <-all.Done():
				atomic.AddUint64(&cancelled, 1)
			case <-timer.C:
			}
		}(i)
	}
	present.all()
	start := time.Now()
	cancel()
	children.Wait()
	report("W9", "time", since(start, count), "ns")
	expectSum("W9", cancelled, uint64(count))
}
