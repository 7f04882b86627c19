package procconnector_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

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

// Waits until a command and everything that it has started are gone, including processes in the background.
func ExampleTable_Len() {
	cmd := exec.Command("sh", "-c", "read go; sleep 0.1 &")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		log.Fatal(err)
	}
	cmd.Start()
	table, err := procconnector.OpenTable(procconnector.TableOptions{Family: cmd.Process.Pid})
	if err != nil {
		log.Fatal(err)
	}
	defer table.Close()
	stdin.Close()
	go cmd.Wait()
	for !table.Synced() || table.Len() > 0 {
		if _, err := table.Next(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("all gone")
	// Output: all gone
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
	makeUp := func(pid, parent int, comm string) {
		folder := filepath.Join(directory, strconv.Itoa(pid))
		stat := fmt.Sprintf("%d (%s) S %d %d %d 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0"+strings.Repeat(" 0", 31)+"\n",
			pid, comm, parent, pid, pid) // one of the zeros is the start, which must not be later than the fork event
		os.Mkdir(folder, 0o755)
		os.WriteFile(filepath.Join(folder, "stat"), []byte(stat), 0o644)
		os.WriteFile(filepath.Join(folder, "status"), []byte("Uid:\t7\t7\t7\t7\nGid:\t7\t7\t7\t7\n"), 0o644)
	}
	fork := func(parent, child uint32) []byte { // as the kernel of a little-endian machine sends it
		header := []uint32{76, 3, 0, 0, 1, 1, 0, 0, 40} // struct nlmsghdr, struct cn_msg
		event := []uint32{1, 0, 0, 0, parent, parent, child, child, 0, 0}
		var datagram bytes.Buffer
		binary.Write(&datagram, binary.LittleEndian, append(header, event...))
		return datagram.Bytes()
	}
	makeUp(1, 0, "init")
	proc, err := os.Open(directory)
	if err != nil {
		log.Fatal(err)
	}
	defer proc.Close()
	feed, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	socket := os.NewFile(uintptr(feed[0]), "feed")
	table, err := procconnector.AdoptTable(socket, procconnector.TableOptions{Proc: proc})
	if err != nil {
		log.Fatal(err)
	}
	defer table.Close()
	socket.Close()

	for isFed := false; table.Len() < 2; {
		change, err := table.Next(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		if change.Process.PID != 0 {
			fmt.Println(change.Kind, change.Process.PID, change.Process.Comm())
		}
		if table.Synced() && !isFed {
			makeUp(100, 1, "shell")
			syscall.Write(feed[1], fork(1, 100))
			isFed = true
		}
	}
	syscall.Close(feed[1])
	// Output:
	// found 1 init
	// started 100 shell
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
