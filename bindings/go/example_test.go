package procconnector_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
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

// How a process ends, that the program has started.
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

// Follows the processes until all that were there have been told.
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
