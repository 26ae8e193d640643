package html_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// This file is all that the tests know of chromedp, whose API changes often.

// browser is one tab that shows one page.
type browser struct {
	t    testing.TB
	ctx  context.Context
	url  string
	mu   sync.Mutex
	said []string // errors and warnings of the console, exceptions
	asks []string // addresses that were asked for, but for the page itself
}

const tabTime = 60 * time.Second

// started is the browser of all tests: each has a tab of its own.
var started struct {
	once  sync.Once
	ctx   context.Context // nil: there is none
	err   error
	close func()
}

func TestMain(m *testing.M) {
	status := m.Run()
	if started.close != nil {
		started.close()
	}
	os.Exit(status)
}

// start starts the browser, if there is one.
func start() {
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			program = p
			break
		}
	}
	if program == "" {
		return
	}
	data, err := os.MkdirTemp("", "finwait-browser-*")
	if err != nil {
		started.err = err
		return
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(data), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true), chromedp.NoFirstRun,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WindowSize(1400, 900),
		chromedp.CombinedOutput(io.Discard)) // what it says of a machine without a screen is of no use
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, stop := chromedp.NewContext(allocator)
	started.ctx, started.err = ctx, chromedp.Do(ctx)
	started.close = func() {
		stop()
		stopAllocator()
		_ = os.RemoveAll(data) // a directory of the system's for such
	}
}

// open shows a page in a tab, or skips the test where there is no browser.
func open(t testing.TB, page []byte) *browser {
	t.Helper()
	started.once.Do(start)
	if started.err != nil {
		t.Fatalf("browser: %v", started.err)
	}
	if started.ctx == nil {
		t.Skip("no browser: chromium is not installed")
	}
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, page, 0o600); err != nil {
		t.Fatal(err)
	}
	tab, stopTab := chromedp.NewContext(started.ctx)
	ctx, stop := context.WithTimeout(tab, tabTime)
	t.Cleanup(func() {
		stop()
		stopTab()
	})
	b := &browser{t: t, ctx: ctx, url: "file://" + path}
	// The first call makes the tab, which lives as long as its context.
	if err := chromedp.Listen(tab, b.listen); err != nil {
		t.Fatalf("browser: %v", err)
	}
	b.run(command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}), command(runtime.Enable, cdp.Empty{}),
		chromedp.Navigate(b.url))
	b.wait(`document.documentElement.dataset.ready === "yes"`)
	return b
}

// command is an action that sends a command of the protocol.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; url != b.url && !strings.HasPrefix(url, b.url+"#") && !strings.HasPrefix(url, "data:") {
			b.asks = append(b.asks, url)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.said = append(b.said, fmt.Sprintf("console %s", e.Type))
		}
	case *runtime.EventExceptionThrown:
		d := e.ExceptionDetails
		text := fmt.Sprintf("%s, line %d", d.Text, d.LineNumber)
		if d.Exception != nil {
			text += ": " + d.Exception.Description
		}
		b.said = append(b.said, text)
	case *log.EventEntryAdded:
		b.said = append(b.said, e.Entry.Text)
	}
}

func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	get(b, func(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
		return chromedp.Steps(actions...)(ctx, t)
	})
}

// get gives the value of an action.
func get[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatalf("browser: %v; it said %q", err, b.said)
	}
	return v
}

// do runs a script.
func (b *browser) do(script string) {
	b.t.Helper()
	get(b, chromedp.Evaluate[bool]("(() => {"+script+"; return true})()"))
}

// text, number and holds are the value of an expression.
func (b *browser) text(expression string) string {
	b.t.Helper()
	return get(b, chromedp.Evaluate[string]("String("+expression+")"))
}

func (b *browser) number(expression string) float64 {
	b.t.Helper()
	return get(b, chromedp.Evaluate[float64](expression))
}

func (b *browser) holds(condition string) bool {
	b.t.Helper()
	return get(b, chromedp.Evaluate[bool]("Boolean("+condition+")"))
}

// wait waits until a condition holds.
func (b *browser) wait(condition string) {
	b.t.Helper()
	until := time.Now().Add(tabTime / 2)
	for {
		if b.holds(condition) {
			return
		}
		if time.Now().After(until) {
			b.t.Fatalf("never came true: %s; the browser said %q", condition, b.said)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Keys that press knows by name.
const (
	keyRight  = kb.ArrowRight
	keyLeft   = kb.ArrowLeft
	keyEnd    = kb.End
	keyHome   = kb.Home
	keyEnter  = kb.Enter
	keyEscape = kb.Escape
)

// press types keys at what has the focus.
func (b *browser) press(keys string) {
	b.t.Helper()
	b.run(chromedp.KeyEvent(keys))
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.run(chromedp.Click(chromedp.CSS(selector)))
}

// fill types into an input.
func (b *browser) fill(selector, text string) {
	b.t.Helper()
	b.do(fmt.Sprintf("const e = document.querySelector(%q); e.value = \"\"; e.focus()", selector))
	b.press(text)
}

// look sets the size of the window and the theme that the system asks for.
func (b *browser) look(width, height int64, scheme string) {
	b.t.Helper()
	b.run(chromedp.EmulateViewport(width, height), command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}))
}

// paper is the page as PDF.
func (b *browser) paper() []byte {
	b.t.Helper()
	return get(b, chromedp.PrintToPDF(chromedp.PDFPrintBackground()))
}

// quiet demands that the page asked for nothing and complained of nothing.
func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.asks) > 0 {
		b.t.Errorf("the page asked for %q", b.asks)
	}
	if len(b.said) > 0 {
		b.t.Errorf("the browser said %q", b.said)
	}
}
