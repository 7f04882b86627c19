package procconnector

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// A poller waits in Go's netpoller until a descriptor is readable.
type poller struct {
	file *os.File // a dup, because Go must own what it polls
	raw  syscall.RawConn
	turn chan struct{} // holds an item while a goroutine waits
}

var past = time.Unix(1, 0)

func newPoller(fd int) (*poller, error) {
	file, err := dup(fd)
	if err != nil {
		return nil, err
	}
	raw, err := file.SyscallConn()
	if err == nil {
		err = file.SetReadDeadline(time.Time{}) // fails if it cannot be polled
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return &poller{file, raw, make(chan struct{}, 1)}, nil
}

func dup(fd int) (*os.File, error) {
	dup, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("fcntl", errno)
	}
	if err := syscall.SetNonblock(int(dup), true); err != nil {
		syscall.Close(int(dup))
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(dup, "procconnector"), nil
}

// wait returns nil as soon as try has returned true. It tries at once, when the descriptor becomes
// readable, and after each wake.
func (p *poller) wait(ctx context.Context, try func() bool) error {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if ctx.Done() != nil {
		defer p.wakeAtEnd(ctx)()
	}
	for {
		err := p.raw.Read(func(uintptr) bool { return try() })
		if err == nil {
			return nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return os.ErrClosed
		}
		p.file.SetReadDeadline(time.Time{})
		// After that line, so that a wake which it has undone is not missed.
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// waitOnThread does what wait does, but waits on the calling goroutine's own thread. It checks the
// context every 100 ms.
func (p *poller) waitOnThread(ctx context.Context, try func() bool) error {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for ctx.Err() == nil {
		if try() {
			return nil
		}
		if err := p.raw.Control(pollReadable); err != nil {
			return os.ErrClosed
		}
	}
	return ctx.Err()
}

// Waits until the descriptor is readable, 100 ms at most.
func pollReadable(fd uintptr) {
	const pollIn = 1
	set := struct {
		fd              int32
		events, revents int16
	}{int32(fd), pollIn, 0}
	timeout := syscall.NsecToTimespec(100_000_000)
	syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&set)), 1, uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
}

// wake ends the current or the next Read.
func (p *poller) wake() { p.file.SetReadDeadline(past) }

// Wakes the waiter when the context ends, until the returned function is called.
func (p *poller) wakeAtEnd(ctx context.Context) func() {
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-ctx.Done():
			p.wake()
		case <-done:
		}
	}()
	return func() { close(done); <-gone }
}

// close ends all waits with [os.ErrClosed].
func (p *poller) close() { p.file.Close() }
