package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
)

// newInterfaces makes the command interfaces: what live -i can name.
func newInterfaces(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "interfaces",
		Short: "List the interfaces that 'finwait live -i' can name",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			list, err := capture.Interfaces()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tSTATE\tLINK TYPE\tADDRESSES")
			for _, i := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", i.Name, interfaceState(&i), linkTypeWord(i.LinkType), strings.Join(i.Addresses, ", "))
			}
			return w.Flush()
		},
	}
}

func interfaceState(i *capture.Interface) string {
	switch {
	case i.Name == capture.AnyInterface:
		return "all of them"
	case !i.Up:
		return "down"
	case !i.Running:
		return "up, no carrier"
	}
	return "up"
}

func linkTypeWord(link uint32) string {
	if link == capture.LinkNone {
		return "not known"
	}
	return capture.LinkTypeName(link)
}
