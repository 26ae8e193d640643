package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan(s streams) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "man [COMMAND]",
		Short: "Print a manual page, or write them all with --dir",
		Example: `  finwait man | man -l -
  finwait man read > finwait-read.1
  finwait man --dir /usr/local/share/man/man1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			// A page made twice is the same page: no date of today, no trailer.
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Source: "finwait " + versionWord(), Manual: "User Commands", Date: &manDate}
			if dir != "" {
				if len(args) > 0 {
					return usagef("finwait man takes either a command or --dir")
				}
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
				return doc.GenManTree(root, header, dir)
			}
			page, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("there is no command %q", args[0])
			}
			return doc.GenMan(page, header, s.out)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "write the pages of all commands into `DIR`")
	return c
}

// manDate is when the pages were last revised.
var manDate = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
