package main

// W4, W5, W6, W8: messages, yields, a lock.

import (
	"runtime"
	"sync"
	"time"
)

func pingPong(o options) {
	trips := o.scaled(1_000_000)
	questions, answers := make(chan uint64, 1), make(chan uint64, 1)
	result := make(chan uint64, 1)
	start := time.Now()
	go func() {
		for question := range questions {
			answers <- question + 1
		}
		close(answers)
	}()
	go func() {
		sum := uint64(0)
		for i := 0; i < trips; i++ {
			questions <- uint64(i)
			sum += <-answers
		}
		close(questions)
		result <- sum
	}()
	sum := <-result
	report("W4", "time", since(start, trips), "ns")
	expectSum("W4", sum, uint64(trips)*uint64(trips+1)/2)
}

func fourToOne(o options) {
	const producers = 4
	each := o.scaled(1_000_000)
	total := uint64(producers * each)
	messages := make(chan uint64, 1024)
	result := make(chan uint64, 1)
	start := time.Now()
	go func() {
		sum := uint64(0)
		for message := range messages {
			sum += message
		}
		result <- sum
	}()
	var sending sync.WaitGroup
	for p := 0; p < producers; p++ {
		sending.Add(1)
		go func(first int) {
			for i := first; i < first+each; i++ {
				messages <- uint64(i)
			}
			sending.Done()
		}(p * each)
	}
	sending.Wait()
	close(messages)
	sum := <-result
	report("W5", "time", since(start, int(total)), "ns")
	expectSum("W5", sum, total*(total-1)/2)
}

func yields(o options) {
	times, tasks := o.scaled(1_000_000), 2*o.workers
	results := make([]uint64, tasks)
	var children sync.WaitGroup
	start := time.Now()
	for t := 0; t < tasks; t++ {
		children.Add(1)
		go func(t int) {
			given := 0
			for ; given < times; given++ {
				runtime.Gosched()
			}
			results[t] = uint64(given)
			children.Done()
		}(t)
	}
	children.Wait()
	report("W6", "time", since(start, tasks*times), "ns")
	sum := uint64(0)
	for _, result := range results {
		sum += result
	}
	expectSum("W6", sum, uint64(tasks*times))
}

func mutex(o options) {
	const tasks = 8
	times := o.scaled(500_000)
	var counter struct {
		sync.Mutex
		value uint64
	}
	var children sync.WaitGroup
	start := time.Now()
	for t := 0; t < tasks; t++ {
		children.Add(1)
		go func() {
			for i := 0; i < times; i++ {
				counter.Lock()
				counter.value++
				counter.Unlock()
			}
			children.Done()
		}()
	}
	children.Wait()
	report("W8", "time", since(start, tasks*times), "ns")
	expectSum("W8", counter.value, uint64(tasks*times))
}
