package procconnector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Follows the table until its owner may release it, and calls heard with each change.
func release(t testing.TB, table *Table, heard func(Change)) *os.File {
	t.Helper()
	ctx := patience(t)
	for {
		file, err := table.Release()
		if err == nil {
			return file
		}
		if !errors.Is(err, syscall.EBUSY) {
			t.Fatal(err)
		}
		for {
			change, ok, err := table.TryNext()
			if err != nil || ctx.Err() != nil {
				t.Fatal(err, ctx.Err())
			}
			if !ok {
				break
			}
			heard(change)
		}
	}
}

// The changes of each process, with the name that the process has from then on.
type history map[int32]string

func (h history) note(change Change) {
	name := change.Process.Comm()
	if change.Kind == ChangeExited || change.Kind == ChangeVanished {
		name = ""
	}
	h[change.Process.PID] += fmt.Sprintf("%s %s;", change.Kind, name)
}

func TestTableRelease(t *testing.T) {
	table := openTable(t)
	awaitChange(t, table, ChangeSynced, 0)
	exiting := startChild(t)
	changing := exec.Command("sh", "-c", "read line; exec sleep 1000")
	gate := must[io.WriteCloser](t)(changing.StdinPipe())
	if err := changing.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { changing.Process.Kill(); changing.Wait() }()
	awaitChange(t, table, ChangeExeced, int32(changing.Process.Pid))
	socket := release(t, table, func(Change) {})
	defer socket.Close()
	if _, err := table.Next(context.Background()); !errors.Is(err, os.ErrClosed) {
		t.Error("a released table is open:", err)
	}

	exiting.end()
	gate.Close()
	comm := fmt.Sprintf("/proc/%d/comm", changing.Process.Pid)
	for string(must[[]byte](t)(os.ReadFile(comm))) != "sleep\n" {
		time.Sleep(time.Millisecond)
	}
	passing, staying := startChild(t), startChild(t)
	passing.end()

	successor := must[*Table](t)(AdoptTable(socket, TableOptions{Subscribed: true}))
	defer successor.Close()
	socket.Close()
	heard, statuses := history{}, map[int32]int{}
	hear := func(change Change) {
		heard.note(change)
		if status, known := change.ExitStatus(); known && change.Kind == ChangeExited {
			statuses[change.Process.PID] = status.ExitStatus()
		}
	}
	for ctx := patience(t); !successor.Synced(); {
		hear(must[Change](t)(successor.Next(ctx)))
	}
	if now, ok := successor.Get(int32(changing.Process.Pid)); !ok || now.Comm() != "sleep" {
		t.Error("the exec was missed:", heard[now.PID])
	}
	if now, ok := successor.Get(staying.pid); !ok || now.Comm() != "sh" ||
		!strings.HasPrefix(heard[now.PID], "started ") {
		t.Error("the start was missed:", heard[staying.pid])
	}
	for child, began := range map[int32]string{exiting.pid: "found ", passing.pid: "started "} {
		changes := heard[child]
		if !strings.HasPrefix(changes, began) || !strings.HasSuffix(changes, ";exited ;") || statuses[child] != 3 {
			t.Errorf("an exit was missed: %q, status %d", changes, statuses[child])
		}
	}
	staying.end()
	awaitChange(t, successor, ChangeExited, staying.pid)
}

func TestTableReleaseBusy(t *testing.T) {
	table := openTable(t)
	ctx := patience(t)
	for !table.Synced() {
		must[Change](t)(table.Next(ctx))
	}
	// Two changes in one batch: after the first is reported, the second is pending.
	first, second := startChild(t), startChild(t)
	awaitChange(t, table, ChangeStarted, first.pid)
	if _, err := table.Release(); !errors.Is(err, syscall.EBUSY) {
		t.Fatal(err)
	}
	awaitChange(t, table, ChangeStarted, second.pid) // it is still open
	release(t, table, func(Change) {}).Close()
}

func TestTableReleaseEndsWaits(t *testing.T) {
	directory := makeUp(t)
	table, _ := fedTable(t, directory)
	awaitChange(t, table, ChangeSynced, 0)
	waiting := make(chan error)
	go func() {
		for {
			if _, err := table.Next(context.Background()); err != nil {
				waiting <- err
				return
			}
		}
	}()
	releaseQuiet(t, table).Close()
	if err := <-waiting; !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if _, err := table.Release(); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// Releases a table that another goroutine follows.
func releaseQuiet(t testing.TB, table *Table) *os.File {
	t.Helper()
	for ctx := patience(t); ; time.Sleep(time.Millisecond) {
		file, err := table.Release()
		if err == nil {
			return file
		}
		if !errors.Is(err, syscall.EBUSY) || ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// A failure of AdoptTable, wherever it occurs, leaves the socket subscribed, with all that it has queued.
func TestAdoptTableFails(t *testing.T) {
	table := openTable(t)
	awaitChange(t, table, ChangeSynced, 0)
	file := release(t, table, func(Change) {})
	defer file.Close()
	child := startChild(t)
	before := descriptors(t)
	var adopted *Table
	untilAdopted(t, file, func() (err error) {
		adopted, err = AdoptTable(file, TableOptions{Subscribed: true})
		return err
	})
	awaitChange(t, adopted, ChangeStarted, child.pid)
	child.end()
	awaitChange(t, adopted, ChangeExited, child.pid)
	adopted.Close()
	if now := descriptors(t); now > before {
		t.Errorf("%d descriptors instead of at most %d", now, before)
	}
}

func TestAdoptTableRefuses(t *testing.T) {
	directory := makeUp(t)
	proc := must[*os.File](t)(os.Open(directory))
	null := must[*os.File](t)(os.Open(os.DevNull))
	defer null.Close()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pair[1])
	socket := os.NewFile(uintptr(pair[0]), "feed")
	defer socket.Close()
	before := descriptors(t)
	for _, refused := range []struct {
		socket   *os.File
		options  TableOptions
		expected error
	}{
		{null, TableOptions{Proc: proc}, syscall.EPROTOTYPE},
		{socket, TableOptions{Proc: null}, syscall.ENOTDIR},
		{socket, TableOptions{Proc: proc, Fields: 1 << 31}, syscall.EINVAL},
		{socket, TableOptions{Proc: proc, QueueBytes: -1}, syscall.EINVAL},
		{nil, TableOptions{Proc: proc}, os.ErrInvalid},
	} {
		if _, err := AdoptTable(refused.socket, refused.options); !errors.Is(err, refused.expected) {
			t.Errorf("%v instead of %v", err, refused.expected)
		}
	}
	if _, err := OpenTable(TableOptions{Subscribed: true}); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	if now := descriptors(t); now != before {
		t.Errorf("%d descriptors instead of %d", now, before)
	}
	proc.Close()
	if _, err := AdoptTable(socket, TableOptions{Proc: proc}); err == nil {
		t.Error("a table reads a closed directory")
	}
}

// A directory with processes 1 and 100, as /proc shows them.
func makeUp(t testing.TB) string {
	directory := t.TempDir()
	makeUpProcess(t, directory, 1, 0, "first")
	makeUpProcess(t, directory, 100, 1, "shell")
	return directory
}

func makeUpProcess(t testing.TB, directory string, pid, parent int, comm string) {
	t.Helper()
	folder := filepath.Join(directory, strconv.Itoa(pid))
	stat := fmt.Sprintf("%d (%s) S %d %d %d 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0 0 4096 8192 65536 "+
		"0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", pid, comm, parent, pid, pid, pid)
	status := fmt.Sprintf("Name:\t%s\nUid:\t7\t8\t7\t7\nGid:\t9\t10\t9\t9\n", comm)
	for _, err := range []error{
		os.Mkdir(folder, 0o755),
		os.WriteFile(filepath.Join(folder, "stat"), []byte(stat), 0o644),
		os.WriteFile(filepath.Join(folder, "status"), []byte(status), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A table of the processes that a directory has, and what feeds the table.
func fedTable(t testing.TB, directory string) (*Table, int) {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	socket := os.NewFile(uintptr(pair[0]), "feed")
	defer socket.Close()
	proc := must[*os.File](t)(os.Open(directory))
	defer proc.Close()
	table := must[*Table](t)(AdoptTable(socket, TableOptions{Proc: proc}))
	t.Cleanup(func() { table.Close(); syscall.Close(pair[1]) })
	return table, pair[1]
}

func feedTable(t testing.TB, feed int, what uint32, data ...uint32) {
	t.Helper()
	if _, err := syscall.Write(feed, datagram(what, data...)); err != nil {
		t.Fatal(err)
	}
}

// A user without privilege tests a program with made-up events and made-up processes: the test runs this
// program again, which becomes nobody first.
func TestTableMadeUp(t *testing.T) {
	const asChild = "PROCCONNECTOR_MADE_UP"
	if os.Geteuid() == 0 && os.Getenv(asChild) == "" {
		command := exec.Command(must[string](t)(os.Executable()), "-test.run", "^TestTableMadeUp$")
		command.Env = append(os.Environ(), asChild+"=1")
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, output)
		}
		return
	}
	if os.Geteuid() == 0 {
		becomeNobody(t)
	}
	directory := makeUp(t)
	table, feed := fedTable(t, directory)
	awaitChange(t, table, ChangeSynced, 0)
	shell, ok := table.Get(100)
	if first, _ := table.Get(1); !ok || table.Len() != 2 || shell.Comm() != "shell" || shell.ParentID != first.ID ||
		shell.EUID != 8 || shell.EGID != 10 || shell.Hidden() {
		t.Errorf("%d processes, %+v", table.Len(), shell)
	}
	makeUpProcess(t, directory, 200, 100, "child")
	feedTable(t, feed, forkWhat, 100, 100, 200, 200)
	started := awaitChange(t, table, ChangeStarted, 200).Process
	if started.Comm() != "child" || started.ParentID != shell.ID {
		t.Errorf("%+v", started)
	}
	if err := os.RemoveAll(filepath.Join(directory, "200")); err != nil {
		t.Fatal(err)
	}
	feedTable(t, feed, exitWhat, 200, 200, 5<<8, 17, 100, 100)
	exited := awaitChange(t, table, ChangeExited, 200)
	if status, known := exited.ExitStatus(); !known || status.ExitStatus() != 5 || table.Len() != 2 {
		t.Errorf("%+v", exited)
	}
	syscall.Shutdown(feed, syscall.SHUT_RDWR)
	var err error
	for ctx := patience(t); err == nil; {
		_, err = table.Next(ctx)
	}
	if !errors.Is(err, syscall.EPIPE) {
		t.Error(err)
	}
}

// A real /proc, by its descriptor alone, and a table that outlives the file.
func TestTableProc(t *testing.T) {
	proc := must[*os.File](t)(os.Open("/proc"))
	table := must[*Table](t)(OpenTable(TableOptions{Proc: proc}))
	defer table.Close()
	proc.Close()
	awaitChange(t, table, ChangeFound, int32(os.Getpid()))
	awaitChange(t, table, ChangeSynced, 0) // until then, a child may be found, too
	child := startChild(t)
	awaitChange(t, table, ChangeStarted, child.pid)
	child.end()
	awaitChange(t, table, ChangeExited, child.pid)
}
