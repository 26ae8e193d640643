package main

import (
	"strings"
	"time"

	"github.com/finwait/finwait/report"
)

// This file is --msl.

// profile is what an operating system makes of 2MSL.
type profile struct {
	name  string
	msl   time.Duration
	byRFC bool // only a copy of the FIN restarts TIME-WAIT
}

var profiles = []profile{
	{"rfc", 120 * time.Second, true},
	{"linux", 30 * time.Second, false},
	{"windows", 60 * time.Second, true},
	{"macos", 15 * time.Second, true},
}

func profileNames() []string {
	names := make([]string, len(profiles))
	for i, p := range profiles {
		names[i] = p.name
	}
	return names
}

func parseMSL(value string) (profile, error) {
	for _, p := range profiles {
		if strings.EqualFold(p.name, value) {
			return p, nil
		}
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		return profile{}, usagef("--msl: %q is neither a duration such as 30s nor a profile (%s)%s", value,
			strings.Join(profileNames(), ", "), report.DidYouMean(value, profileNames()))
	}
	if d <= 0 {
		return profile{}, usagef("--msl: %s is not above zero", value)
	}
	return profile{msl: d}, nil
}

// cutHost takes HOST=VALUE apart; an IPv6 address holds no equals sign.
func cutHost(s string) (host, value string, ok bool) {
	if host, value, ok = strings.Cut(s, "="); ok {
		return host, value, true
	}
	return "", s, false
}
