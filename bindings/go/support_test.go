package procconnector

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func must[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// A limit for what must come, so that a failure is told before the test's own limit.
func patience(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func open(t testing.TB, options Options) *Connector {
	c := must[*Connector](t)(Open(options))
	t.Cleanup(func() { c.Close() })
	return c
}

// A connector, and what feeds it.
func fed(t testing.TB) (*Connector, int) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(pair[0]), "feed")
	defer file.Close()
	c := must[*Connector](t)(Adopt(file, Options{}))
	t.Cleanup(func() { c.Close(); syscall.Close(pair[1]) })
	return c, pair[1]
}

// A datagram as the kernel sends it: struct nlmsghdr, struct cn_msg, struct proc_event.
func datagram(what uint32, data ...uint32) []byte {
	var b bytes.Buffer
	event := [24]byte{}
	for i, value := range data {
		binary.LittleEndian.PutUint32(event[4*i:], value)
	}
	binary.Write(&b, binary.LittleEndian, struct {
		Length      uint32
		Type, Flags uint16
		Seq, PID    uint32
		Idx, Val    uint32
		CnSeq, Ack  uint32
		Size, CnFl  uint16
		What, CPU   uint32
		Timestamp   uint64
		Data        [24]byte
	}{76, syscall.NLMSG_DONE, 0, 0, 0, 1, 1, 17, 0, 40, 0, what, 3, 5e9, event})
	return b.Bytes()
}

const forkWhat, execWhat, exitWhat = 1, 2, 0x80000000

func sendExec(t testing.TB, feed int, pid uint32) {
	if _, err := syscall.Write(feed, datagram(execWhat, pid, pid)); err != nil {
		t.Fatal(err)
	}
}

// A process that waits until it is released, and then ends with status 3.
type child struct {
	*exec.Cmd
	gate interface{ Close() error }
	pid  int32
}

func startChild(t testing.TB) child {
	cmd := exec.Command("sh", "-c", "read line; exit 3")
	gate, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { gate.Close(); cmd.Wait() })
	return child{cmd, gate, int32(cmd.Process.Pid)}
}

func (c child) end() { c.gate.Close(); c.Wait() }

// The next event that is wanted; those behind it stay in the queue.
func await(t testing.TB, c *Connector, wanted func(*Event) bool) Event {
	t.Helper()
	ctx, events := patience(t), make([]Event, 1)
	for {
		must[int](t)(c.Recv(ctx, events))
		if wanted(&events[0]) {
			return events[0]
		}
	}
}

func awaitExit(t testing.TB, c *Connector, pid int32) Exit {
	t.Helper()
	event := await(t, c, func(e *Event) bool {
		exit, ok := e.Exit()
		return ok && exit.PID == pid
	})
	exit, _ := event.Exit()
	return exit
}

// Calls try with one free descriptor more each time until it succeeds; each failure must be EMFILE. What fails
// last is the poller's descriptor.
func untilAdopted(t testing.TB, file *os.File, try func() error) {
	t.Helper()
	var old, low syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old)
	low.Cur, low.Max = 64, old.Max
	for free := 0; ; free++ {
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low)
		var taken []int
		for fd, err := 0, error(nil); err == nil; {
			if fd, err = syscall.Dup(int(file.Fd())); err == nil {
				taken = append(taken, fd)
			}
		}
		for i := 0; i < free; i++ {
			syscall.Close(taken[i])
		}
		err := try()
		for _, fd := range taken[free:] {
			syscall.Close(fd)
		}
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)
		if err == nil {
			return
		}
		if !errors.Is(err, syscall.EMFILE) {
			t.Fatal(err)
		}
	}
}

func becomeNobody(t testing.TB) {
	t.Helper()
	for _, err := range []error{
		syscall.Setgroups(nil), syscall.Setresgid(65534, 65534, 65534), syscall.Setresuid(65534, 65534, 65534),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}
