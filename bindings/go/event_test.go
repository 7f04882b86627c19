package procconnector

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"
)

func parsed(t *testing.T, what uint32, data ...uint32) *Event {
	event, ok, err := Parse(datagram(what, data...))
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	return &event
}

// Each kind has its fields in their places, and no other kind's.
func TestParse(t *testing.T) {
	ok := 0
	is := func(good, mine bool) {
		t.Helper()
		if mine {
			ok++
		}
		if good != mine {
			t.Error("another kind's data, or wrong data")
		}
	}
	for _, e := range []*Event{
		parsed(t, 1, 11, 12, 13, 14),
		parsed(t, execWhat, 11, 12),
		parsed(t, exitWhat, 11, 12, 3<<8, 17, 13, 14),
		parsed(t, 4, 11, 12, 13, 14),
		parsed(t, 0x40, 11, 12, 13, 14),
		parsed(t, 0x80, 11, 12),
		parsed(t, 0x100, 11, 12, 13, 14),
		parsed(t, 0x200, 11, 12, 'a'|'b'<<8),
		parsed(t, 0x40000000, 11, 12, 13, 14),
		parsed(t, 0x12340000, 11, 12),
	} {
		if e.CPU != 3 || e.Seq != 17 || e.Timestamp != 5*time.Second {
			t.Errorf("%+v", e)
		}
		fork, mine := e.Fork()
		is(fork == Fork{ParentPID: 11, ParentTGID: 12, ChildPID: 13, ChildTGID: 14}, mine)
		exec, mine := e.Exec()
		is(exec == Exec{PID: 11, TGID: 12}, mine)
		exit, mine := e.Exit()
		is(exit == Exit{PID: 11, TGID: 12, Status: syscall.WaitStatus(3 << 8), Signal: 17, ParentPID: 13, ParentTGID: 14}, mine)
		uid, mine := e.UID()
		is(uid == UID{PID: 11, TGID: 12, RUID: 13, EUID: 14}, mine)
		gid, mine := e.GID()
		is(gid == GID{PID: 11, TGID: 12, RGID: 13, EGID: 14}, mine)
		sid, mine := e.SID()
		is(sid == SID{PID: 11, TGID: 12}, mine)
		ptrace, mine := e.Ptrace()
		is(ptrace == Ptrace{PID: 11, TGID: 12, TracerPID: 13, TracerTGID: 14}, mine)
		comm, mine := e.Comm()
		is(comm.PID == 11 && comm.Name() == "ab", mine)
		coredump, mine := e.Coredump()
		is(coredump == Coredump{PID: 11, TGID: 12, ParentPID: 13, ParentTGID: 14}, mine)
		unknown, mine := e.Unknown()
		is(unknown.What == 0x12340000 && unknown.Raw[0] == 11, mine)
		_, mine = e.Overrun()
		is(false, mine)
	}
	if ok != 10 {
		t.Errorf("%d kinds", ok)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, size := range []int{0, 1, 40, 75} {
		_, ok, err := Parse(datagram(execWhat)[:size])
		if ok || !errors.Is(err, syscall.EBADMSG) {
			t.Error(size, ok, err)
		}
	}
}

func TestString(t *testing.T) {
	if line := parsed(t, execWhat, 11, 12).String(); !strings.HasPrefix(line, "exec pid=11 tgid=12") {
		t.Error(line)
	}
}
