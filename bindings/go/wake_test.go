package procconnector

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// The first version of the kernel's struct sched_attr.
type schedAttr struct {
	size, policy              uint32
	flags                     uint64
	nice                      int32
	priority                  uint32
	runtime, deadline, period uint64
}

func attributes(t *testing.T) (a schedAttr) {
	getattr := map[string]uintptr{"amd64": 315, "arm64": 275}
	number, known := getattr[runtime.GOARCH]
	if !known {
		t.Skip("the number of sched_getattr is not known here")
	}
	_, _, errno := syscall.Syscall6(number, 0, uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a), 0, 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	return a
}

func TestWakeSoon(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocks
		before := attributes(t)
		woken, err := WakeSoon(WakeSlice)
		if err != nil {
			t.Error(err)
		}
		after := attributes(t)
		switch {
		case before.runtime == 0 && woken != WakeUsual:
			t.Error("a kernel without slices grants", woken)
		case before.runtime != 0 && (woken != WakeSlice || after.runtime != 100_000):
			t.Error("got", woken, "and a slice of", after.runtime, "ns")
		}
		if _, err := WakeSoon(WakeUsual); !errors.Is(err, syscall.EINVAL) {
			t.Error(err)
		}
	}()
	<-done
}

func TestOnThread(t *testing.T) {
	c, feed := fed(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	events := make([]Event, 8)
	go func() {
		time.Sleep(20 * time.Millisecond)
		syscall.Write(feed, datagram(2, 7, 7))
	}()
	n, err := c.RecvOnThread(patience(t), events)
	if exec, ok := events[0].Exec(); n != 1 || err != nil || !ok || exec.TGID != 7 {
		t.Error(n, err, events[0])
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.RecvOnThread(ctx, events); err != context.DeadlineExceeded {
		t.Error(err)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		c.Close()
	}()
	if _, err := c.RecvOnThread(patience(t), events); err != os.ErrClosed {
		t.Error(err)
	}
}

func TestTableOnThread(t *testing.T) {
	table := must[*Table](t)(OpenTable(TableOptions{}))
	defer table.Close()
	for !table.Synced() {
		must[Change](t)(table.NextOnThread(patience(t)))
	}
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	for {
		change := must[Change](t)(table.NextOnThread(patience(t)))
		if change.Kind == ChangeExited && int(change.Process.PID) == cmd.Process.Pid {
			return
		}
	}
}
