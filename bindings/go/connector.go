package procconnector

// #include <proc_connector.h>
//
// // A handle as a number: Go would allocate to check a pointer to a type that it does not know.
// static int recv_many(uintptr_t pc, struct pc_event *events, size_t count)
// {
//	return pc_recv_many((struct pc_connector *)pc, events, count, 0);
// }
import "C"

import (
	"context"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

// A Connector is a subscription to process events, its queue and its statistics.
type Connector struct {
	mu     sync.Mutex // orders all calls of the library: none of them waits
	handle *C.struct_pc_connector
	poller *poller
}

// Open subscribes to process events. From its return on, every event is delivered or counted as
// lost. A process also receives the events about itself.
func Open(options Options) (*Connector, error) {
	o, err := options.c("open")
	if err != nil {
		return nil, err
	}
	var handle *C.struct_pc_connector
	if err := failure("open", C.pc_open(&handle, &o)); err != nil {
		return nil, withOption(err, C.pc_invalid_option(&o))
	}
	c, err := newConnector(handle)
	if err != nil {
		C.pc_close(handle)
	}
	return c, err
}

// Adopt opens a connector on a socket that a privileged parent, systemd or an earlier connector
// ([Connector.Release]) has opened. It also takes an AF_UNIX socket (SEQPACKET or DGRAM), through
// which a test sends events to a program. Adopt works on a duplicate: close the file, and do not
// receive from it.
func Adopt(file *os.File, options Options) (*Connector, error) {
	o, err := options.c("adopt")
	if err != nil {
		return nil, err
	}
	var handle *C.struct_pc_connector
	err = adopt("adopt", file, func(fd C.int) C.int { return C.pc_open_fd(&handle, fd, &o) })
	if err != nil {
		return nil, withOption(err, C.pc_invalid_option(&o))
	}
	c, err := newConnector(handle)
	if err != nil && options.Subscribed {
		// Not pc_close(): the socket and its subscription still belong to the caller.
		syscall.Close(int(C.pc_release(handle)))
	} else if err != nil {
		C.pc_close(handle)
	}
	return c, err
}

// On failure the handle still belongs to the caller.
func newConnector(handle *C.struct_pc_connector) (*Connector, error) {
	poller, err := newPoller(int(C.pc_fd(handle)))
	if err != nil {
		return nil, err
	}
	c := &Connector{handle: handle, poller: poller}
	runtime.SetFinalizer(c, (*Connector).Close) // a safety net; do not rely on it
	return c, nil
}

// Recv waits for events and writes the pending ones, at most 64, into the slice. It returns their
// number, at least one, or an error. It makes one call into C for all of them.
func (c *Connector) Recv(ctx context.Context, events []Event) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if n, err := c.TryRecv(events); n != 0 || err != nil {
		return n, err
	}
	return c.waitRecv(ctx, events)
}

// Apart, because what the function literal uses is allocated.
func (c *Connector) waitRecv(ctx context.Context, events []Event) (n int, err error) {
	ended := c.poller.wait(ctx, func() bool {
		n, err = c.TryRecv(events)
		return n != 0 || err != nil
	})
	if ended != nil {
		return 0, ended
	}
	return n, err
}

// RecvOnThread does what Recv does, but waits on the calling goroutine's own thread, so an event
// wakes that thread directly: see [WakeSoon]. Every 100 ms, RecvOnThread checks the context and
// whether the connector was closed.
func (c *Connector) RecvOnThread(ctx context.Context, events []Event) (n int, err error) {
	ended := c.poller.waitOnThread(ctx, func() bool {
		n, err = c.TryRecv(events)
		return n != 0 || err != nil
	})
	if ended != nil {
		return 0, ended
	}
	return n, err
}

// TryRecv is Recv without waiting. Only 0 means that no more events are pending.
func (c *Connector) TryRecv(events []Event) (int, error) {
	if len(events) == 0 {
		return 0, &Error{Op: "recv", Errno: syscall.EINVAL}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handle == nil {
		return 0, os.ErrClosed
	}
	handle := C.uintptr_t(uintptr(unsafe.Pointer(c.handle)))
	n := C.recv_many(handle, events[0].c(), C.size_t(len(events)))
	if n < 0 {
		return 0, failure("recv", n)
	}
	return int(n), nil
}

// Calls a function of the library on the handle.
func (c *Connector) call(op string, f func(*C.struct_pc_connector) C.int) (C.int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handle == nil {
		return 0, os.ErrClosed
	}
	result := f(c.handle)
	return result, failure(op, result)
}

// SetFilter chooses other events, atomically. Options other than Events, NoThreads and NonzeroExit
// must be zero. An event that is already queued is judged by the filter in force when it is
// received.
func (c *Connector) SetFilter(filter Options) error {
	o, err := filter.c("set filter")
	if err != nil {
		return err
	}
	_, err = c.call("set filter", func(h *C.struct_pc_connector) C.int {
		return C.pc_set_filter(h, &o)
	})
	return err
}

// Unsubscribe pauses: from now on no event is queued. Pending events can still be received.
func (c *Connector) Unsubscribe() error {
	_, err := c.call("unsubscribe", func(h *C.struct_pc_connector) C.int {
		return C.pc_unsubscribe(h)
	})
	c.poller.wake() // an overrun does not make the socket readable
	return err
}

// Subscribe resumes after Unsubscribe.
func (c *Connector) Subscribe() error {
	_, err := c.call("subscribe", func(h *C.struct_pc_connector) C.int { return C.pc_subscribe(h) })
	c.poller.wake()
	return err
}

// Check checks that the kernel still reports events, and makes it report again if it has stopped.
// It costs microseconds: a daemon calls it from a ticker. True means that the kernel was deaf and
// is repaired. An overrun then follows in the stream.
func (c *Connector) Check() (repaired bool, err error) {
	result, err := c.call("check", func(h *C.struct_pc_connector) C.int { return C.pc_check(h) })
	if result > 0 {
		c.poller.wake()
	}
	return result > 0, err
}

// Stats are the statistics of the connector. Each field is exact by itself.
func (c *Connector) Stats() (Stats, error) {
	var s C.struct_pc_stats
	_, err := c.call("stats", func(h *C.struct_pc_connector) C.int {
		return C.pc_get_stats(h, &s, C.sizeof_struct_pc_stats)
	})
	return statsOf(&s), err
}

// Release ends the connector but not the subscription, and returns the socket. A successor, which
// gets the socket as one of exec.Cmd's ExtraFiles, gives it to [Adopt] with Subscribed and misses
// nothing. First call TryRecv until it returns 0, because the successor does not count a loss that
// has not been reported yet.
func (c *Connector) Release() (*os.File, error) {
	fd, err := c.call("release", func(h *C.struct_pc_connector) C.int {
		fd := C.pc_release(h)
		if fd >= 0 {
			c.handle = nil
		}
		return fd
	})
	if err != nil {
		return nil, err
	}
	c.Close()
	return os.NewFile(uintptr(fd), "procconnector"), nil
}

// Close ends the subscription and all waits. Closing again does nothing.
func (c *Connector) Close() error {
	runtime.SetFinalizer(c, nil)
	c.mu.Lock()
	handle := c.handle
	c.handle = nil
	c.mu.Unlock()
	C.pc_close(handle)
	c.poller.close()
	return nil
}
