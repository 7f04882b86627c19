package procconnector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

func openTable(t testing.TB) *Table {
	table := must[*Table](t)(OpenTable(TableOptions{}))
	t.Cleanup(func() { table.Close() })
	return table
}

func awaitChange(t testing.TB, table *Table, kind ChangeKind, pid int32) Change {
	t.Helper()
	ctx := patience(t)
	for {
		change := must[Change](t)(table.Next(ctx))
		if change.Kind == kind && change.Process.PID == pid {
			return change
		}
	}
}

func TestTable(t *testing.T) {
	table := openTable(t)
	awaitChange(t, table, ChangeFound, int32(os.Getpid()))
	awaitChange(t, table, ChangeSynced, 0)

	count, last, self := 0, int32(0), false
	table.All()(func(p Process) bool {
		if p.PID <= last {
			t.Errorf("%d after %d", p.PID, last)
		}
		last = p.PID
		self = self || p.PID == int32(os.Getpid())
		count++
		return true
	})
	if count != table.Len() || !self {
		t.Errorf("%d of %d processes, self: %v", count, table.Len(), self)
	}
	count = 0
	table.All()(func(Process) bool { count++; return false })
	if count != 1 {
		t.Error("the walk goes on")
	}

	child := startChild(t)
	if _, ok := table.Get(child.pid); ok {
		t.Error("it is there before it is told")
	}
	started := awaitChange(t, table, ChangeStarted, child.pid)
	execed := awaitChange(t, table, ChangeExeced, child.pid)
	found, ok := table.Get(child.pid)
	if !ok || found != execed.Process || found.ID != started.Process.ID || found.Sequence != execed.Sequence {
		t.Errorf("%+v", found)
	}
	if found.ParentPID != int32(os.Getpid()) || found.Comm() != "sh" || found.EUID != 0 ||
		found.Valid&(FieldParent|FieldComm) != FieldParent|FieldComm || found.KernelThread() ||
		found.LeaderGone() || found.Hidden() {
		t.Errorf("%+v", found)
	}
	if err := table.SetUser(child.pid, 77); err != nil {
		t.Error(err)
	}
	child.end()
	exited := awaitChange(t, table, ChangeExited, child.pid)
	status, known := exited.ExitStatus()
	if !known || status.ExitStatus() != 3 || exited.Process.User != 77 || exited.Recovered() {
		t.Errorf("%+v", exited)
	}
	line := fmt.Sprintf("exited pid=%d parent=%d comm=\"sh\" ", child.pid, os.Getpid())
	if !strings.HasPrefix(exited.String(), line) {
		t.Error(exited)
	}
	if err := table.SetUser(child.pid, 1); !errors.Is(err, syscall.ESRCH) {
		t.Error(err)
	}
	if repaired, err := table.Check(); repaired || err != nil {
		t.Error(repaired, err)
	}
	if err := table.Rescan(); err != nil {
		t.Error(err)
	}
	for synced := (Change{}); !synced.Recovered(); {
		synced = awaitChange(t, table, ChangeSynced, 0)
	}
	if stats := must[Stats](t)(table.Stats()); stats.Received == 0 {
		t.Errorf("%+v", stats)
	}
}

func TestTableSynced(t *testing.T) {
	table := openTable(t)
	ctx := patience(t)
	if table.Synced() {
		t.Error("synced before the first change")
	}
	var last uint64
	for !table.Synced() {
		change := must[Change](t)(table.Next(ctx))
		if last++; change.Sequence != last || change.Kind == ChangeSynced && change.Hidden != 0 {
			t.Errorf("change %d: %+v", last, change)
		}
	}
	if self, ok := table.Get(int32(os.Getpid())); !ok || self.Sequence != last {
		t.Errorf("%+v after change %d", self, last)
	}
	if err := table.Rescan(); err != nil {
		t.Error(err)
	}
	awaitChange(t, table, ChangeUnsynced, 0)
	if table.Synced() {
		t.Error("synced after ChangeUnsynced")
	}
	awaitChange(t, table, ChangeSynced, 0)
	if !table.Synced() {
		t.Error("not synced after ChangeSynced")
	}
}

// A table to which /proc hides processes: the test runs this program again, in a mount namespace whose
// /proc has hidepid, and lets it become nobody once the table is open.
func TestTableHidden(t *testing.T) {
	const asChild = "PROCCONNECTOR_HIDDEN"
	if os.Getenv(asChild) != "" {
		table := openTable(t)
		becomeNobody(t)
		synced := awaitChange(t, table, ChangeSynced, 0)
		if stats := must[Stats](t)(table.Stats()); synced.Hidden == 0 || stats.Hidden != synced.Hidden {
			t.Errorf("%+v, %+v", synced, stats)
		}
		if first, ok := table.Get(1); !ok || !first.Hidden() || first.Valid != 0 || first.Comm() != "" {
			t.Errorf("%+v", first)
		}
		return
	}
	const mount = `mount -t proc -o hidepid=2 proc /proc || exit 77; exec "$0" -test.run '^TestTableHidden$'`
	program := must[string](t)(os.Executable())
	command := exec.Command("unshare", "--mount", "sh", "-c", mount, program)
	command.Env = append(os.Environ(), asChild+"=1")
	output, err := command.CombinedOutput()
	if command.ProcessState != nil && command.ProcessState.ExitCode() == 77 {
		t.Skip("cannot mount /proc with hidepid")
	}
	if err != nil {
		t.Errorf("%v: %s", err, output)
	}
}

func TestTableContext(t *testing.T) {
	table := openTable(t)
	awaitChange(t, table, ChangeSynced, 0) // otherwise the child might be FOUND, not STARTED
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	var err error
	for err == nil { // other processes make changes, too
		_, err = table.Next(ctx)
	}
	if err != context.DeadlineExceeded {
		t.Fatal(err)
	}
	child := startChild(t)
	awaitChange(t, table, ChangeStarted, child.pid)
}

func TestTableClose(t *testing.T) {
	table := openTable(t)
	var group sync.WaitGroup
	for i := 0; i < 3; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			var err error
			for err == nil {
				_, err = table.Next(context.Background())
				table.All()(func(Process) bool { return true })
			}
			if !errors.Is(err, os.ErrClosed) {
				t.Error(err)
			}
		}()
	}
	for len(table.poller.turn) == 0 {
		runtime.Gosched()
	}
	if table.Close() != nil || table.Close() != nil {
		t.Error("Close failed")
	}
	group.Wait()
	_, get := table.Get(1)
	_, check := table.Check()
	if get || table.Len() != 0 || table.Synced() || !errors.Is(check, os.ErrClosed) {
		t.Error("it is not closed")
	}
}

func TestTableFamily(t *testing.T) {
	command := exec.Command("sh", "-c", "read go; sleep 1000 & echo $!; exit 3")
	stdin := must[io.WriteCloser](t)(command.StdinPipe())
	stdout := must[io.ReadCloser](t)(command.StdoutPipe())
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	outside := startChild(t)
	root := command.Process.Pid
	table := must[*Table](t)(OpenTable(TableOptions{Family: root}))
	defer table.Close()
	for !table.Synced() {
		must[Change](t)(table.Next(context.Background()))
	}
	if _, there := table.Get(outside.pid); there || table.Len() != 1 {
		t.Error("there are others in the family")
	}
	must[int](t)(io.WriteString(stdin, "\n"))
	var orphan int
	must[int](t)(fmt.Fscan(stdout, &orphan))
	command.Wait()
	awaitChange(t, table, ChangeExited, int32(root))
	for table.Len() > 1 {
		must[Change](t)(table.Next(context.Background()))
	}
	if found, there := table.Get(int32(orphan)); !there || found.Perhaps() {
		t.Errorf("%+v", found)
	}
	if err := syscall.Kill(orphan, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	awaitChange(t, table, ChangeExited, int32(orphan))
	if table.Len() != 0 {
		t.Error("a process is left")
	}
	refused := map[int]error{root: syscall.ESRCH, 1: syscall.EINVAL, -1: syscall.EINVAL}
	if strconv.IntSize > 32 {
		refused[int(1<<32+int64(os.Getpid()))] = syscall.EINVAL
	}
	for pid, expected := range refused {
		if _, err := OpenTable(TableOptions{Family: pid}); !errors.Is(err, expected) {
			t.Error(pid, err)
		}
	}
}

func TestTableOptions(t *testing.T) {
	for option, options := range map[string]TableOptions{"Fields": {Fields: 1 << 31}, "QueueBytes": {QueueBytes: -1},
		"Family": {Family: 1}, "TextBytes": {TextBytes: 1 << 30}} {
		var e *Error
		if _, err := OpenTable(options); !errors.Is(err, syscall.EINVAL) || !errors.As(err, &e) || e.Option != option ||
			!strings.Contains(err.Error(), "option "+option+": must be ") || strings.HasSuffix(err.Error(), " ") {
			t.Error(option, err)
		}
	}
	table := must[*Table](t)(OpenTable(TableOptions{
		Fields: FieldComm, MaxWork: 1, MaxWatches: 1, IgnoreThreads: true, QueueBytes: 1 << 20,
	}))
	defer table.Close()
	found := awaitChange(t, table, ChangeFound, int32(os.Getpid()))
	if found.Process.Valid&FieldSession != 0 {
		t.Errorf("%+v", found)
	}
	if stats := must[Stats](t)(table.Stats()); stats.QueueBytes != 1<<20 {
		t.Errorf("%+v", stats)
	}
}

func TestProcess(t *testing.T) {
	child := startChild(t)
	process, life, err := ReadProcess(child.pid)
	if err != nil || life != Running || process.ParentPID != int32(os.Getpid()) || process.Start == 0 {
		t.Error(process, life, err)
	}
	if life, err := Alive(child.pid); err != nil || life != Running {
		t.Error(life, err)
	}
	child.end()
	process, life, err = ReadProcess(child.pid)
	if err != nil || life != Ended || process != (Process{}) {
		t.Error(process, life, err)
	}
	if life, err := Alive(0); life != LifeUnknown || !errors.Is(err, syscall.EINVAL) {
		t.Error(life, err)
	}
	if _, life, err := ReadProcess(-1); life != LifeUnknown || !errors.Is(err, syscall.EINVAL) {
		t.Error(life, err)
	}
}

func TestTableCommand(t *testing.T) {
	table := must[*Table](t)(OpenTable(TableOptions{TextBytes: 512}))
	defer table.Close()
	awaitChange(t, table, ChangeSynced, 0)
	command := exec.Command("sh", "-c", "read go; exit 3", "\xff\n")
	stdin := must[io.WriteCloser](t)(command.StdinPipe())
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	pid := int32(command.Process.Pid)
	executable := must[string](t)(os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)))
	execed := awaitChange(t, table, ChangeExeced, pid)
	_ = stdin.Close()
	_ = command.Wait()
	exited := awaitChange(t, table, ChangeExited, pid)
	kept, err := table.Command(&exited.Process)
	if err != nil || kept.Line.Err != nil || kept.Executable.Err != nil {
		t.Fatal(kept, err)
	}
	if kept.Line.Value != "sh\x00-c\x00read go; exit 3\x00\xff\n\x00" || kept.Executable.Value != executable ||
		kept.Cut || kept.Doubtful {
		t.Errorf("%+v", kept)
	}
	other := exec.Command("true")
	if err := other.Run(); err != nil {
		t.Fatal(err)
	}
	awaitChange(t, table, ChangeExited, int32(other.Process.Pid))
	if _, err := table.Command(&execed.Process); !errors.Is(err, syscall.ESRCH) {
		t.Error("a process that has left:", err)
	}
	if kernel, ok := table.Get(2); ok && kernel.KernelThread() {
		if kept, err := table.Command(&kernel); err != nil || !errors.Is(kept.Line.Err, syscall.ENODATA) {
			t.Error("a kernel thread:", kept, err)
		}
	}

	without := must[*Table](t)(OpenTable(TableOptions{}))
	defer without.Close()
	awaitChange(t, without, ChangeSynced, 0)
	own, _ := without.Get(int32(os.Getpid()))
	if _, err := without.Command(&own); !errors.Is(err, syscall.ENODATA) {
		t.Error("a table without commands:", err)
	}
}

func TestChangeString(t *testing.T) {
	process := Process{PID: 7, ParentPID: 6, Valid: FieldParent | FieldComm, comm: [16]byte{'s', 'h'}}
	exited := Change{Kind: ChangeExited, Timestamp: 3 * time.Second, Process: process}
	exited.flags, exited.status = 1<<1, 3<<8
	unnamed := exited
	unnamed.Process.Valid = FieldParent
	synced := Change{Kind: ChangeSynced, Timestamp: 3 * time.Second, Lost: 5, Since: time.Second}
	unsynced := synced
	unsynced.Kind = ChangeUnsynced
	for expected, change := range map[string]Change{
		`exited pid=7 parent=6 comm="sh" status=3 ts=3.000000000`: exited,
		`exited pid=7 parent=6 status=3 ts=3.000000000`:           unnamed,
		`synced lost=5 since=1.000000000 ts=3.000000000`:          synced,
		`unsynced lost=5 since=1.000000000 ts=3.000000000`:        unsynced,
	} {
		if line := change.String(); line != expected {
			t.Error(line)
		}
		// What is printed is a value or a pointer.
		if line := fmt.Sprint(change, &change); line != expected+" "+expected {
			t.Error(line)
		}
	}
	if ChangeUnsynced.String() != "unsynced" || ChangeKind(99).String() != "unknown" {
		t.Error(ChangeUnsynced, ChangeKind(99))
	}
}

// Where the fields are in C; that they are as large is checked by the compiler.
func TestLayout(t *testing.T) {
	var process Process
	var change Change
	var event Event
	for i, offset := range []struct{ is, expected uintptr }{
		{unsafe.Offsetof(event.data), 24},
		{unsafe.Offsetof(process.PID), 32},
		{unsafe.Offsetof(process.RUID), 48},
		{unsafe.Offsetof(process.comm), 64},
		{unsafe.Offsetof(process.state), 80},
		{unsafe.Offsetof(process.Sequence), 88},
		{unsafe.Offsetof(change.status), 32},
		{unsafe.Offsetof(change.Hidden), 36},
		{unsafe.Offsetof(change.Sequence), 40},
		{unsafe.Offsetof(change.Process), 56},
	} {
		if offset.is != offset.expected {
			t.Errorf("%d: at %d, not %d", i, offset.is, offset.expected)
		}
	}
}
