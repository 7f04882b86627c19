package procconnector

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestRecv(t *testing.T) {
	c := open(t, Options{})
	child := startChild(t)
	await(t, c, func(e *Event) bool {
		fork, ok := e.Fork()
		return ok && fork.ChildTGID == child.pid && fork.ParentTGID == int32(os.Getpid())
	})
	exec := await(t, c, func(e *Event) bool {
		exec, ok := e.Exec()
		return ok && exec.TGID == child.pid
	})
	if exec.TGID() != child.pid || exec.Kind.String() != "exec" || exec.Timestamp == 0 {
		t.Errorf("%+v", exec)
	}
	child.end()
	if status := awaitExit(t, c, child.pid).Status; status.ExitStatus() != 3 {
		t.Errorf("status %v", status)
	}
	stats := must[Stats](t)(c.Stats())
	if stats.Received == 0 || stats.QueueBytes == 0 {
		t.Errorf("%+v", stats)
	}
	if repaired, err := c.Check(); repaired || err != nil {
		t.Error(repaired, err)
	}
}

func TestBatch(t *testing.T) {
	c, feed := fed(t)
	for pid := uint32(1); pid <= 70; pid++ {
		sendExec(t, feed, pid)
	}
	events := make([]Event, 100)
	next := int32(1)
	for _, expected := range []int{64, 6} {
		if n := must[int](t)(c.Recv(context.Background(), events)); n != expected {
			t.Fatalf("%d events instead of %d", n, expected)
		}
		for i := range events[:expected] {
			if exec, ok := events[i].Exec(); !ok || exec.TGID != next {
				t.Fatalf("%v instead of %d", &events[i], next)
			}
			next++
		}
	}
	if n, err := c.TryRecv(events); n != 0 || err != nil {
		t.Error(n, err)
	}
}

func TestBatchAllocatesNothing(t *testing.T) {
	c, feed := fed(t)
	ctx, events := patience(t), make([]Event, 64)
	packet := datagram(exitWhat, 7, 7, 256)
	sum := int32(0)
	allocations := testing.AllocsPerRun(100, func() {
		for i := 0; i < 10; i++ {
			syscall.Write(feed, packet)
		}
		n, err := c.Recv(ctx, events)
		if n != 10 || err != nil {
			t.Fatal(n, err)
		}
		for i := range events[:n] {
			switch e := &events[i]; e.Kind {
			case KindExit:
				exit, _ := e.Exit()
				sum += exit.PID
			}
		}
	})
	if allocations != 0 || sum != 101*10*7 {
		t.Errorf("%v allocations, sum %d", allocations, sum)
	}
}

func TestContext(t *testing.T) {
	c, feed := fed(t)
	events := make([]Event, 4)
	for i := 0; i < 100; i++ {
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		if _, err := c.Recv(ctx, events); err != context.Canceled {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := c.Recv(ctx, events); err != context.DeadlineExceeded {
		t.Fatal(err)
	}
	// An ended context ends a flood, too, and takes nothing with it.
	sendExec(t, feed, 42)
	if _, err := c.Recv(ctx, events); err != context.DeadlineExceeded {
		t.Fatal(err)
	}
	if n := must[int](t)(c.Recv(patience(t), events)); n != 1 {
		t.Fatal(n)
	}
}

// Whoever waits for the turn of another receiver has a context of its own.
func TestTurns(t *testing.T) {
	c, feed := fed(t)
	first := make(chan error)
	go func() {
		_, err := c.Recv(context.Background(), make([]Event, 1))
		first <- err
	}()
	for len(c.poller.turn) == 0 {
		runtime.Gosched()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := c.Recv(ctx, make([]Event, 1)); err != context.DeadlineExceeded {
		t.Fatal(err)
	}
	sendExec(t, feed, 42)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
}

func TestClose(t *testing.T) {
	for i := 0; i < 100; i++ {
		c, feed := fed(t)
		var group sync.WaitGroup
		for receiver := 0; receiver < 3; receiver++ {
			group.Add(1)
			go func() {
				defer group.Done()
				_, err := c.Recv(context.Background(), make([]Event, 8))
				if !errors.Is(err, os.ErrClosed) {
					t.Error(err)
				}
			}()
		}
		for closer := 0; closer < 2; closer++ {
			group.Add(1)
			go func() {
				defer group.Done()
				if i%2 == 0 {
					for len(c.poller.turn) == 0 && !closed(c) {
						runtime.Gosched()
					}
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}()
		}
		group.Wait()
		if n, err := syscall.Read(feed, make([]byte, 1)); n != 0 || err != nil {
			t.Fatal("the socket is still open:", n, err)
		}
	}
}

func closed(c *Connector) bool { c.mu.Lock(); defer c.mu.Unlock(); return c.handle == nil }

func TestClosed(t *testing.T) {
	c, _ := fed(t)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, recv := c.TryRecv(make([]Event, 1))
	_, check := c.Check()
	_, stats := c.Stats()
	_, release := c.Release()
	for i, err := range []error{recv, check, stats, release, c.Subscribe(), c.Unsubscribe(),
		c.SetFilter(Options{})} {
		if !errors.Is(err, os.ErrClosed) {
			t.Error(i, err)
		}
	}
}

func TestForgotten(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(pair[0]), "feed")
	must[*Connector](t)(Adopt(file, Options{}))
	file.Close()
	for {
		runtime.GC()
		_, _, err := syscall.Recvfrom(pair[1], make([]byte, 1), syscall.MSG_DONTWAIT)
		if err == nil {
			return // the end
		}
	}
}

// Check's overrun does not make the socket readable: anyone who waits must try again.
func TestWake(t *testing.T) {
	c, _ := fed(t)
	for i := 0; i < 100; i++ {
		var mu sync.Mutex
		tries, ready := 0, false
		ended := make(chan error)
		go func() {
			ended <- c.poller.wait(patience(t), func() bool {
				mu.Lock()
				defer mu.Unlock()
				tries++
				return ready
			})
		}()
		for tried := false; !tried; mu.Unlock() {
			mu.Lock()
			tried = tries > 0
			ready = tried
		}
		c.poller.wake()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

// While they wait, receivers hold no threads.
func TestThreads(t *testing.T) {
	const receivers = 200
	before := threads(t)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	var connectors []*Connector
	for i := 0; i < receivers; i++ {
		c, _ := fed(t)
		connectors = append(connectors, c)
		group.Add(1)
		go func() {
			defer group.Done()
			c.Recv(ctx, make([]Event, 1))
		}()
	}
	for _, c := range connectors {
		for len(c.poller.turn) == 0 {
			runtime.Gosched()
		}
	}
	if now := threads(t); now-before > receivers/2 {
		t.Errorf("%d threads for %d receivers", now-before, receivers)
	}
	cancel()
	group.Wait()
}

func threads(t testing.TB) int {
	status := string(must[[]byte](t)(os.ReadFile("/proc/self/status")))
	_, rest, _ := strings.Cut(status, "\nThreads:\t")
	number, _, _ := strings.Cut(rest, "\n")
	return must[int](t)(strconv.Atoi(number))
}

func TestRelease(t *testing.T) {
	c := open(t, Options{Events: MaskExit})
	waiting := make(chan error)
	go func() {
		for {
			if _, err := c.Recv(context.Background(), make([]Event, 64)); err != nil {
				waiting <- err
				return
			}
		}
	}()
	file := must[*os.File](t)(c.Release())
	if err := <-waiting; !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	child := startChild(t)
	child.end()
	successor := must[*Connector](t)(Adopt(file, Options{Events: MaskExit, Subscribed: true}))
	defer successor.Close()
	file.Close()
	awaitExit(t, successor, child.pid)
}

func TestFilterAndPause(t *testing.T) {
	c, feed := fed(t)
	events := make([]Event, 4)
	for _, err := range []error{c.SetFilter(Options{Events: MaskExit}), c.Unsubscribe(), c.Subscribe()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	sendExec(t, feed, 42)
	if n, err := c.TryRecv(events); n != 0 || err != nil {
		t.Error(n, err)
	}
	if stats := must[Stats](t)(c.Stats()); stats.Filtered != 1 {
		t.Errorf("%+v", stats)
	}
	if err := c.SetFilter(Options{QueueBytes: 1}); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
}

func TestAdoptFails(t *testing.T) {
	file := must[*os.File](t)(open(t, Options{Events: MaskExit}).Release())
	defer file.Close()
	options := Options{Events: MaskExit, Subscribed: true, QueueBytes: 1 << 20}
	child := startChild(t)
	var adopted *Connector
	untilAdopted(t, file, func() (err error) {
		adopted, err = Adopt(file, options)
		return err
	})
	defer adopted.Close()
	child.end()
	awaitExit(t, adopted, child.pid)
}

func TestErrors(t *testing.T) {
	null := must[*os.File](t)(os.Open(os.DevNull))
	defer null.Close()
	before := descriptors(t)
	_, err := Adopt(null, Options{})
	if now := descriptors(t); now != before {
		t.Errorf("%d descriptors instead of %d", now, before)
	}
	var e *Error
	if !errors.Is(err, syscall.EPROTOTYPE) || !errors.As(err, &e) || e.Op != "adopt" {
		t.Error(err)
	}
	if text := err.Error(); !strings.HasPrefix(text, "procconnector: adopt: ") ||
		strings.Contains(text, syscall.EPROTOTYPE.Error()) {
		t.Error("not the library's text:", text)
	}
	if !errors.Is(&Error{Op: "open", Errno: syscall.EPERM}, os.ErrPermission) {
		t.Error("EPERM is not os.ErrPermission")
	}
	for i, refused := range []struct {
		options Options
		option  string
		message string
	}{{Options{Events: 1 << 31}, "Events", "Events: must be 0 or a combination of"},
		{Options{QueueBytes: -1}, "QueueBytes", "QueueBytes: must be 0 to 2147483647"},
		{Options{QueueBytes: 1 << 31}, "QueueBytes", "QueueBytes: must be 0 to 2147483647"},
		{Options{Subscribed: true}, "", "open: "}} {
		var e *Error
		if _, err := Open(refused.options); !errors.Is(err, syscall.EINVAL) || !errors.As(err, &e) ||
			e.Option != refused.option || !strings.Contains(err.Error(), refused.message) {
			t.Error(i, err)
		}
	}
	null.Close()
	if _, err := Adopt(null, Options{}); err == nil {
		t.Error("a closed file was adopted")
	}
	c, feed := fed(t)
	if _, err := c.Recv(context.Background(), nil); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	ended := make(chan error)
	go func() { _, err := c.Recv(context.Background(), make([]Event, 1)); ended <- err }()
	for len(c.poller.turn) == 0 {
		runtime.Gosched()
	}
	syscall.Shutdown(feed, syscall.SHUT_RDWR)
	if err := <-ended; !errors.Is(err, syscall.EPIPE) {
		t.Error(err)
	}
}

func descriptors(t testing.TB) int {
	return len(must[[]os.DirEntry](t)(os.ReadDir("/proc/self/fd")))
}
