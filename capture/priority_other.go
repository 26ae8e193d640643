//go:build !linux

package capture

// favour does nothing here.
func favour() {}
