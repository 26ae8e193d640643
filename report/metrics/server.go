package metrics

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Server serves /metrics.
type Server struct {
	listener net.Listener
	http     *http.Server
	done     chan struct{}
}

// Serve begins to serve at an address such as ":9100".
func (m *Live) Serve(address string) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	s := &Server{listener: l, http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			return // the listener is gone: nobody can ask any more, and the capture goes on
		}
	}()
	return s, nil
}

// Address is where it serves.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Close stops serving and waits for the end of what is being served, but not long.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // someone reads too slowly; the program ends
	}
	<-s.done
}
