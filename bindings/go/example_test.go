package procconnector_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	procconnector "example.org/proc_connector/bindings/go"
)

// Prints every program that is started, until Ctrl-C.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c, err := procconnector.Open(procconnector.Options{Events: procconnector.MaskExec})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	events := make([]procconnector.Event, 64)
	for {
		n, err := c.Recv(ctx, events)
		if errors.Is(err, context.Canceled) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		for i := range events[:n] {
			switch e := &events[i]; e.Kind {
			case procconnector.KindExec:
				exec, _ := e.Exec()
				fmt.Println(exec.TGID, "runs a new program")
			case procconnector.KindOverrun:
				overrun, _ := e.Overrun()
				fmt.Println(overrun.Lost, "events lost")
			}
		}
	}
}

// Reports how a child of this program exits.
func ExampleConnector_Recv() {
	c, err := procconnector.Open(procconnector.Options{Events: procconnector.MaskExit})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	cmd := exec.Command("sh", "-c", "exit 3")
	cmd.Run()

	events := make([]procconnector.Event, 64)
	for {
		n, err := c.Recv(context.Background(), events)
		if err != nil {
			log.Fatal(err)
		}
		for i := range events[:n] {
			if exit, ok := events[i].Exit(); ok && int(exit.PID) == cmd.Process.Pid {
				fmt.Println("it ended with", exit.Status.ExitStatus())
				return
			}
		}
	}
	// Output: it ended with 3
}

// Prints how a program exited, with its command line, which /proc no longer shows.
func ExampleTable_Command() {
	table, err := procconnector.OpenTable(procconnector.TableOptions{TextBytes: 512})
	if err != nil {
		log.Fatal(err)
	}
	defer table.Close()
	for !table.Synced() {
		if _, err := table.Next(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-c", "read go; exit 3")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		log.Fatal(err)
	}
	cmd.Start()
	for {
		change, err := table.Next(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		if int(change.Process.PID) != cmd.Process.Pid {
			continue
		}
		switch change.Kind {
		case procconnector.ChangeExeced:
			stdin.Close()
			go cmd.Wait()
		case procconnector.ChangeExited:
			status, _ := change.ExitStatus()
			command, _ := table.Command(&change.Process)
			fmt.Printf("%q: %d\n", command.Line.Value, status.ExitStatus())
			return
		}
	}
	// Output: "sh\x00-c\x00read go; exit 3\x00": 3
}

// Runs a command, and waits until the command and everything that it started are gone, including processes in the
// background. The command waits behind a gate, a shell, until the table is open. The gate is the root of the family
// and the first process that the table reports. Then the gate becomes the command.
func ExampleTable_Len() {
	command := []string{"sh", "-c", "sleep 0.1 &"}
	behind, gate, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	const wait = `read go <&3 || exit 127; exec 3<&-; exec "$@"`
	cmd := exec.Command("sh", append([]string{"-c", wait, "gate"}, command...)...)
	cmd.ExtraFiles = []*os.File{behind} // descriptor 3 of the gate
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	behind.Close()
	table, err := procconnector.OpenTable(procconnector.TableOptions{Family: cmd.Process.Pid})
	if err != nil {
		log.Fatal(err) // the gate's descriptor closes with this program, and the gate exits
	}
	defer table.Close()
	gate.WriteString("go\n")
	gate.Close()
	go cmd.Wait()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // finds out that the kernel was deaf, although another program may have repaired it
		check, rescan := time.NewTicker(time.Second), time.NewTicker(time.Minute)
		defer check.Stop()
		defer rescan.Stop()
		for {
			select {
			case <-check.C:
				table.Check()
			case <-rescan.C:
				table.Rescan()
			case <-ctx.Done():
				return
			}
		}
	}()
	// After a loss, processes of other programs may stay in the table as Perhaps: Len may never become 0.
	certain := func() (n int) {
		table.All()(func(p procconnector.Process) bool {
			if !p.Perhaps() {
				n++
			}
			return true
		})
		return n
	}
	for !table.Synced() || certain() > 0 {
		if _, err := table.Next(ctx); err != nil {
			log.Fatal(err)
		}
	}
	if n := table.Len(); n > 0 {
		fmt.Println("all gone, except perhaps", n)
	} else {
		fmt.Println("all gone")
	}
	// Output: all gone
}

// Counts the processes of several jobs with one table. Each process passes its job's number on to its children.
func ExampleTable_SetUser() {
	table, err := procconnector.OpenTable(procconnector.TableOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer table.Close()
	started := make(map[uint64]int) // how many processes each job started
	living := make(map[uint64]int)  // how many of them live
	join := func(pid int32, job uint64) bool {
		if table.SetUser(pid, job) != nil {
			return false
		}
		started[job]++
		living[job]++
		return true
	}
	joinParent := func(p procconnector.Process) bool {
		// After a loss, the parent may be PID 1, which has no job.
		parent, ok := table.Get(p.ParentPID)
		return p.User == 0 && ok && parent.ID == p.ParentID && parent.User != 0 && join(p.PID, parent.User)
	}
	next := func() procconnector.Change {
		change, err := table.Next(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		switch p := &change.Process; change.Kind {
		case procconnector.ChangeStarted:
			joinParent(*p)
		case procconnector.ChangeSynced: // after a loss, children may come before their parents
			for again := true; again; {
				again = false
				table.All()(func(p procconnector.Process) bool {
					again = joinParent(p) || again
					return true
				})
			}
		case procconnector.ChangeExited, procconnector.ChangeVanished:
			if p.User != 0 {
				living[p.User]--
			}
		}
		return change
	}
	for !table.Synced() {
		next()
	}
	gates := make(map[int32]io.Closer)
	for i := 0; i < 2; i++ {
		cmd := exec.Command("sh", "-c", "read go; (sleep 0.1 & sleep 0.1 &)")
		gate, err := cmd.StdinPipe()
		if err != nil {
			log.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			log.Fatal(err)
		}
		defer cmd.Wait()
		gates[int32(cmd.Process.Pid)] = gate
	}
	jobs := uint64(0)
	for len(gates) > 0 || living[1] > 0 || living[2] > 0 {
		pid := next().Process.PID
		if gate := gates[pid]; gate != nil { // the root of a job is in the table
			jobs++
			join(pid, jobs)
			gate.Close()
			delete(gates, pid)
		}
	}
	fmt.Println(started)
	// Output: map[1:4 2:4]
}

// Prints the command line of every program that is started. Short programs are gone a moment later.
func ExampleWakeSoon() {
	runtime.LockOSThread()
	if woken, err := procconnector.WakeSoon(procconnector.WakeSlice); err != nil || woken == procconnector.WakeUsual {
		log.Println("short programs may be missed:", err)
	}
	c, err := procconnector.Open(procconnector.Options{Events: procconnector.MaskExec})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	events := make([]procconnector.Event, 64)
	for {
		n, err := c.RecvOnThread(context.Background(), events)
		if err != nil {
			log.Fatal(err)
		}
		for i := range events[:n] {
			if exec, ok := events[i].Exec(); ok {
				line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", exec.TGID))
				fmt.Printf("%d %q\n", exec.TGID, line)
			}
		}
	}
}

// Shows every change of the processes of this machine, until Ctrl-C.
func ExampleChange_String() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	table, err := procconnector.OpenTable(procconnector.TableOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer table.Close()
	for {
		change, err := table.Next(ctx)
		if errors.Is(err, context.Canceled) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(change)
	}
}

// Follows the processes until the table has reported every process that already existed.
func ExampleTable() {
	table, err := procconnector.OpenTable(procconnector.TableOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer table.Close()
	for !table.Synced() {
		if _, err := table.Next(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
	table.All()(func(p procconnector.Process) bool {
		if int(p.PID) == os.Getpid() {
			fmt.Println("this program was found")
		}
		return true
	})
	// Output: this program was found
}

// Hands a table over. A daemon passes the file to its next instance. Here, the successor is this program itself.
func ExampleTable_Release() {
	table, err := procconnector.OpenTable(procconnector.TableOptions{})
	if err != nil {
		log.Fatal(err)
	}
	var socket *os.File
	for socket == nil {
		socket, err = table.Release()
		if errors.Is(err, syscall.EBUSY) {
			_, _, err = table.TryNext() // there is a change to report, or work left
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-c", "exit 3")
	cmd.Run() // while there is no table

	successor, err := procconnector.AdoptTable(socket, procconnector.TableOptions{Subscribed: true})
	if err != nil {
		log.Fatal(err)
	}
	defer successor.Close()
	socket.Close() // the table has a duplicate
	for {
		change, err := successor.Next(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		if change.Kind == procconnector.ChangeExited && int(change.Process.PID) == cmd.Process.Pid {
			status, _ := change.ExitStatus()
			fmt.Println("it exited with", status.ExitStatus())
			return
		}
	}
	// Output: it exited with 3
}

// Tests a program without privilege: a directory has made-up processes, and the events are made up, too.
func ExampleAdoptTable() {
	directory, err := os.MkdirTemp("", "processes")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(directory)
	folder := func(pid uint32) string { return filepath.Join(directory, strconv.Itoa(int(pid))) }
	makeUp := func(pid, parent uint32, comm string) {
		stat := fmt.Sprintf("%d (%s) S %d %d %d 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0"+strings.Repeat(" 0", 31)+"\n",
			pid, comm, parent, pid, pid) // the first of the 31 zeros is the start, in ticks of 10 ms of CLOCK_BOOTTIME
		os.MkdirAll(folder(pid), 0o755)
		os.WriteFile(filepath.Join(folder(pid), "stat"), []byte(stat), 0o644)
		os.WriteFile(filepath.Join(folder(pid), "status"), []byte("Uid:\t7\t7\t7\t7\nGid:\t7\t7\t7\t7\n"), 0o644)
	}
	feed, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer syscall.Close(feed[1])
	send := func(what uint32, data ...uint32) { // as the kernel of a little-endian machine does
		// A table ignores an exec or exit that is older than its reading of the process.
		const clockMonotonic = 1
		var now syscall.Timespec
		syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
		var datagram bytes.Buffer
		binary.Write(&datagram, binary.LittleEndian, []uint32{76, 3, 0, 0, 1, 1, 0, 0, 40}) // struct nlmsghdr, struct cn_msg
		binary.Write(&datagram, binary.LittleEndian, []uint32{what, 0})                     // the kind, the CPU
		binary.Write(&datagram, binary.LittleEndian, now.Nano())
		binary.Write(&datagram, binary.LittleEndian, append(data, make([]uint32, 6-len(data))...))
		syscall.Write(feed[1], datagram.Bytes())
	}
	fork := func(parent, child uint32) { send(1, parent, parent, child, child) }
	exec := func(pid uint32) { send(2, pid, pid) }
	exit := func(pid, status uint32) { send(1<<31, pid, pid, status, uint32(syscall.SIGCHLD)) }

	makeUp(1, 0, "init")
	makeUp(50, 1, "old")
	proc, err := os.Open(directory)
	if err != nil {
		log.Fatal(err)
	}
	defer proc.Close()
	socket := os.NewFile(uintptr(feed[0]), "feed")
	table, err := procconnector.AdoptTable(socket, procconnector.TableOptions{Proc: proc})
	if err != nil {
		log.Fatal(err)
	}
	defer table.Close()
	socket.Close()
	await := func(kind procconnector.ChangeKind) {
		for {
			change, err := table.Next(context.Background())
			if err != nil {
				log.Fatal(err)
			}
			if change.Process.PID != 0 {
				fmt.Println(change.Kind, change.Process.PID, change.Process.Comm())
			}
			if change.Kind == kind {
				return
			}
		}
	}

	await(procconnector.ChangeSynced)
	makeUp(100, 50, "shell") // before the event, as in /proc
	fork(50, 100)
	await(procconnector.ChangeStarted)
	makeUp(100, 50, "program")
	exec(100)
	await(procconnector.ChangeExeced)
	os.RemoveAll(folder(100))
	exit(100, 3<<8)
	await(procconnector.ChangeExited)
	os.RemoveAll(folder(50))
	exit(50, 0)
	await(procconnector.ChangeExited)
	// Output:
	// found 1 init
	// found 50 old
	// started 100 shell
	// execed 100 program
	// exited 100 program
	// exited 50 old
}

func ExampleError() {
	null, err := os.Open(os.DevNull)
	if err != nil {
		log.Fatal(err)
	}
	defer null.Close()
	_, err = procconnector.Adopt(null, procconnector.Options{})
	fmt.Println(errors.Is(err, syscall.EPROTOTYPE))
	// Output: true
}

// Prints the arguments of this program, and the path of its executable.
func ExampleTexts() {
	pid := int32(os.Getpid())
	texts, err := procconnector.Texts(pid, 0, procconnector.TextCommandLine, procconnector.TextExecutable)
	if err != nil {
		log.Fatal(err)
	}
	if command := texts[0]; command.Err == nil {
		fmt.Printf("%q\n", strings.Split(strings.TrimSuffix(command.Value, "\x00"), "\x00"))
	}
	if executable := texts[1]; executable.Err == nil {
		fmt.Println(executable.Value)
	}
}
