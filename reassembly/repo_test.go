package reassembly_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// This file holds the rules of the repository: which package may import which,
// what stands at the top level, what no file may contain. It stands here because
// most of the rules protect this package.

const module = "github.com/finwait/finwait"

// listed is what `go list` says of one of our packages.
type listed struct {
	ImportPath string
	Dir        string
	Imports    []string // by files that are not tests
	GoFiles    []string
	CgoFiles   []string
}

// builds are the two ways in which the program is built.
var builds = []struct {
	name string
	args []string
	env  []string
}{
	{"default", nil, nil},
	{"nolibpcap", []string{"-tags", "nolibpcap"}, []string{"CGO_ENABLED=0"}},
}

// packages lists our packages as each build sees them.
func packages(t *testing.T) map[string][]listed {
	t.Helper()
	all := map[string][]listed{}
	for _, b := range builds {
		cmd := exec.Command("go", append(append([]string{"list", "-e", "-pgo=off", "-json=ImportPath,Dir,Imports,GoFiles,CgoFiles"}, b.args...), "./...")...)
		cmd.Dir = ".."
		cmd.Env = append(os.Environ(), b.env...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
			var p listed
			if err := d.Decode(&p); err != nil {
				t.Fatal(err)
			}
			all[b.name] = append(all[b.name], p)
		}
		if len(all[b.name]) == 0 {
			t.Fatal("go list found no packages")
		}
	}
	return all
}

// within reports whether an import path is a package or below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// ours is an import path without the module's, or "" if it is another's.
func ours(path string) string {
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return ""
	}
	return rest
}

// standard reports whether a path is of the standard library: its first element has no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// mayImport says which of our trees each tree may import. Dependencies point one
// way, and nobody imports cmd.
var mayImport = map[string][]string{
	"reassembly/seqnum":   {},
	"reassembly/tcpstate": {},
	"reassembly":          {"reassembly"},
	"capture":             {"capture", "reassembly"},
	"report":              {"report", "reassembly"},
	"fixtures":            {"fixtures", "capture", "reassembly"},
	"cmd":                 {"cmd", "capture", "reassembly", "report", "fixtures"},
}

// treeOf is the key of mayImport that governs a package.
func treeOf(path string) string {
	best := ""
	for tree := range mayImport {
		if within(path, tree) && len(tree) > len(best) {
			best = tree
		}
	}
	return best
}

func TestDependenciesPointOneWay(t *testing.T) {
	for build, list := range packages(t) {
		for _, p := range list {
			path := ours(p.ImportPath)
			tree := treeOf(path)
			if tree == "" {
				t.Errorf("%s: %s belongs to no tree of the design", build, p.ImportPath)
				continue
			}
			for _, imported := range p.Imports {
				target := ours(imported)
				if target == "" {
					continue
				}
				if !slices.ContainsFunc(mayImport[tree], func(root string) bool { return within(target, root) }) {
					t.Errorf("%s: %s imports %s", build, path, target)
				}
				if target == "cmd" || strings.HasPrefix(target, "cmd/") && tree != "cmd" {
					t.Errorf("%s: %s imports the command %s", build, path, target)
				}
			}
		}
	}
}

// TestCoreDoesNoIO keeps files, sockets, processes and logs out of the core, and
// every library but the standard one. What maps the tables' memory is the one
// exception: the standard library cannot ask for large pages.
func TestCoreDoesNoIO(t *testing.T) {
	forbidden := []string{"os", "io/fs", "io/ioutil", "net", "net/http", "log", "log/slog", "syscall", "path/filepath", "testing", "embed", "C"}
	for build, list := range packages(t) {
		for _, p := range list {
			if !within(ours(p.ImportPath), "reassembly") {
				continue
			}
			for _, imported := range p.Imports {
				io := slices.Contains(forbidden, imported) || strings.HasPrefix(imported, "os/")
				maps := ours(p.ImportPath) == "reassembly" && imported == "golang.org/x/sys/unix"
				if io || ours(imported) == "" && !standard(imported) && !maps {
					t.Errorf("%s: %s imports %s", build, p.ImportPath, imported)
				}
			}
		}
	}
}

// TestCoreReadsNoClock: the core knows trace time only, so that a file gives the
// same report on every run.
func TestCoreReadsNoClock(t *testing.T) {
	clocks := []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"}
	for _, p := range packages(t)["default"] {
		if !within(ours(p.ImportPath), "reassembly") {
			continue
		}
		for _, name := range p.GoFiles {
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Error(err)
				continue
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clocks, s.Sel.Name) {
						t.Errorf("%s: time.%s", set.Position(s.Pos()), s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

func TestGopacketStaysInside(t *testing.T) {
	for build, list := range packages(t) {
		for _, p := range list {
			path := ours(p.ImportPath)
			if within(path, "capture") || within(path, "fixtures") {
				continue
			}
			for _, imported := range p.Imports {
				if within(imported, "github.com/google/gopacket") {
					t.Errorf("%s: %s imports %s", build, path, imported)
				}
			}
		}
	}
}

// TestPureBuildUsesNoCgo: the build without libpcap must link without a C compiler.
func TestPureBuildUsesNoCgo(t *testing.T) {
	for _, p := range packages(t)["nolibpcap"] {
		if slices.Contains(p.Imports, "C") || len(p.CgoFiles) > 0 {
			t.Errorf("%s needs cgo", p.ImportPath)
		}
		if slices.Contains(p.Imports, "github.com/google/gopacket/pcap") {
			t.Errorf("%s imports gopacket/pcap, which needs libpcap", p.ImportPath)
		}
	}
}

func TestNoReplaceDirectives(t *testing.T) {
	for _, file := range []string{"../go.mod", "../tools.mod"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if word := strings.Fields(line); len(word) > 0 && word[0] == "replace" || strings.Contains(line, "=>") {
				t.Errorf("%s: %s", file, strings.TrimSpace(line))
			}
		}
	}
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	dirs := []string{"cmd", "capture", "reassembly", "report", "fixtures"}
	built := []string{"bin"} // what 'make build' leaves, not under version control
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(dirs, e.Name()) && !slices.Contains(built, e.Name()) && !strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s/ does not belong at the top level", e.Name())
		}
		if !e.IsDir() && strings.HasSuffix(e.Name(), ".go") {
			t.Errorf("%s: no Go files at the top level", e.Name())
		}
	}
	for _, name := range append(dirs, "go.mod", "go.sum", "README.md", "ARCHITECTURE.md", "LICENSE", "Makefile", ".ci/run") {
		if _, err := os.Stat(filepath.Join("..", name)); err != nil {
			t.Errorf("%s is missing", name)
		}
	}
}

// TestNoUnfinishedWork looks through our own sources for marks of unfinished
// work and for paths of one machine.
func TestNoUnfinishedWork(t *testing.T) {
	// In two pieces each, so that this file does not find itself.
	marks := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:", "HA" + "CK", "not imple" + "mented", "/home" + "/", "/Use" + "rs/"}
	for _, dir := range []string{"cmd", "capture", "reassembly", "report", "fixtures"} {
		err := filepath.WalkDir(filepath.Join("..", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			number := 0
			for line := range strings.Lines(string(text)) {
				number++
				for _, mark := range marks {
					if strings.Contains(line, mark) {
						t.Errorf("%s:%d: %s", path, number, strings.TrimSpace(line))
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestPackagesAreDocumented demands a package comment of every package.
func TestPackagesAreDocumented(t *testing.T) {
	for _, p := range packages(t)["nolibpcap"] {
		documented := len(p.GoFiles) == 0 // fixtures or tests only
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Error(err)
				continue
			}
			documented = documented || file.Doc != nil
		}
		if !documented {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
