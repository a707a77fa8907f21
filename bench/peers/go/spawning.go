package main

// W1, W2, W2b, W3: what a goroutine costs.

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

func since(start time.Time, count int) float64 {
	return float64(time.Since(start).Nanoseconds()) / float64(count)
}

func milliseconds(start time.Time) float64 { return float64(time.Since(start).Nanoseconds()) * 1e-6 }

func spawnJoin(o options) {
	count := o.scaled(1_000_000)
	start := time.Now()
	sum := uint64(0)
	var child sync.WaitGroup
	for i := 0; i < count; i++ {
		child.Add(1)
		go func() {
			sum++
			child.Done()
		}()
		child.Wait()
	}
	report("W1", "time", since(start, count), "ns")
	expectSum("W1", sum, uint64(count))
}

func fanOut(o options) {
	count := o.scaled(1_000_000)
	start := time.Now()
	results := make([]uint32, count)
	var children sync.WaitGroup
	children.Add(count)
	for i := 0; i < count; i++ {
		go func(i int) {
			results[i] = 1
			children.Done()
		}(i)
	}
	children.Wait()
	sum := uint64(0)
	for _, result := range results {
		sum += uint64(result)
	}
	report("W2", "time", since(start, count), "ns")
	expectSum("W2", sum, uint64(count))
}

func residentBytes() int64 {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		fmt.Fprintln(os.Stderr, "/proc/self/status cannot be read, so resident memory cannot be measured:", err)
		os.Exit(1)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var kib int64
		if strings.HasPrefix(lines.Text(), "VmRSS:") {
			fmt.Sscanf(lines.Text(), "VmRSS: %d kB", &kib)
			return kib * 1024
		}
	}
	fmt.Fprintln(os.Stderr, "/proc/self/status has no VmRSS, so resident memory cannot be measured")
	os.Exit(1)
	return 0
}

func suspended(o options) {
	count := o.scaled(1_000_000)
	open := make(chan struct{})
	present := make(rollCall, count)
	results := make([]uint32, count)
	for i := range results { // its pages are there before the memory is measured
		results[i] = 0
		present[i] = 0
	}
	var children sync.WaitGroup
	children.Add(count)
	before := residentBytes()
	for i := 0; i < count; i++ {
		go func(i int) {
			present.here(i)
			<-open
			results[i] = 1
			children.Done()
		}(i)
	}
	present.all()
	after := residentBytes()
	report("W2b", "memory", float64(after-before)/float64(count), "bytes")

	start := time.Now()
	close(open)
	children.Wait()
	report("W2b", "release", since(start, count), "ns")
	sum := uint64(0)
	for _, result := range results {
		sum += uint64(result)
	}
	expectSum("W2b", sum, uint64(count))
}

func fib(n int) uint64 {
	if n < 2 {
		return uint64(n)
	}
	forked := make(chan uint64, 1)
	go func() { forked <- fib(n - 1) }()
	called := fib(n - 2)
	return called + <-forked
}

func fibonacci(n int) uint64 {
	now, next := uint64(0), uint64(1)
	for ; n > 0; n-- {
		now, next = next, now+next
	}
	return now
}

func fibOf32(o options) { fibTree(o, "W3-fib", 32) }
func fibOf27(o options) { fibTree(o, "W3-spawn-fib", 27) }

func fibTree(o options, workload string, n int) {
	if o.small {
		n = 18
	}
	start := time.Now()
	sum := fib(n)
	report(workload, "time", milliseconds(start), "ms")
	expectSum(workload, sum, fibonacci(n))
}

func skynet(to chan<- uint64, first, leaves uint64) {
	if leaves == 1 {
		to <- first
		return
	}
	children := make(chan uint64, 10)
	each := leaves / 10
	for i := uint64(0); i < 10; i++ {
		go skynet(children, first+i*each, each)
	}
	sum := uint64(0)
	for i := 0; i < 10; i++ {
		sum += <-children
	}
	to <- sum
}

func skynetOfAMillion(o options) { skynetTree("W3-skynet", uint64(o.scaled(1_000_000))) }
func skynetOf100k(o options)     { skynetTree("W3-spawn-skynet", uint64(o.scaled(100_000))) }

func skynetTree(workload string, leaves uint64) {
	start := time.Now()
	result := make(chan uint64, 1)
	go skynet(result, 0, leaves)
	sum := <-result
	report(workload, "time", milliseconds(start), "ms")
	expectSum(workload, sum, leaves*(leaves-1)/2)
}
