package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"

	"github.com/finwait/finwait/report"
)

// Exit statuses, those of finwait.
const (
	statusUsage    = 2
	statusInput    = 3 // a file was unreadable or damaged; what could be read was reported
	statusInternal = 4
)

func main() {
	var s Settings
	s.register(flag.CommandLine)
	flag.Parse()
	beam.Init() // a worker of a remote engine stays in here
	if err := s.check(); err != nil {
		fmt.Fprintf(os.Stderr, "finwait-beam: %v\n", err)
		os.Exit(statusUsage)
	}
	os.Exit(run(context.Background(), &s, os.Stderr))
}

// run runs the pipeline and says what came of it.
func run(ctx context.Context, s *Settings, words io.Writer) int {
	p, root := beam.NewPipelineWithRoot()
	build(root, s)
	if err := beamx.Run(ctx, p); err != nil {
		fmt.Fprintf(words, "finwait-beam: %v\n", err)
		return statusInternal
	}
	if *jobopts.Async {
		return 0
	}
	summary, err := readSummary(ctx, s.Output)
	if err != nil {
		fmt.Fprintf(words, "finwait-beam: the run ended, but its summary cannot be read: %v\n", err)
		return statusInternal
	}
	fmt.Fprintf(words, "finwait-beam: %d connections, %d of them with findings, of %d frames in %d files; see %s\n",
		summary.Connections, summary.Affected, summary.Quality.Frames, len(summary.Quality.Files), s.Output)
	for i, d := range summary.Quality.Damage {
		if i == 20 {
			fmt.Fprintf(words, "finwait-beam: and %d more; %s has all\n", len(summary.Quality.Damage)-i, filesName)
			break
		}
		fmt.Fprintf(words, "finwait-beam: %s\n", d.Text)
	}
	if len(summary.Quality.Damage) > 0 {
		return statusInput
	}
	return 0
}

func readSummary(ctx context.Context, dir string) (*report.Summary, error) {
	path := strings.TrimSuffix(dir, "/") + "/" + summaryName
	files, err := filesystem.New(ctx, path)
	if err != nil {
		return nil, err
	}
	in, err := files.OpenRead(ctx, path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	s := new(report.Summary)
	return s, json.NewDecoder(bufio.NewReader(in)).Decode(s)
}
