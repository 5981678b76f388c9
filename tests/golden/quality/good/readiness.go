package readiness

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Check reports whether a dependency is usable. It must honour ctx.
type Check func(ctx context.Context) error

// Handler serves the combined state of its checks as JSON: 200 when all of
// them pass and 503 otherwise.
type Handler struct {
	timeout time.Duration
	ttl     time.Duration
	now     func() time.Time

	mu      sync.Mutex
	checks  map[string]Check
	cached  report
	expires time.Time
}

type report struct {
	Ready  bool              `json:"ready"`
	Checks map[string]result `json:"checks"`
}

type result struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error,omitempty"`
	Duration string `json:"duration"`
}

// New returns a handler that gives each check up to timeout and reuses a
// report for ttl, so that eager probes do not hammer the dependencies.
func New(timeout, ttl time.Duration) *Handler {
	return &Handler{
		timeout: timeout,
		ttl:     ttl,
		now:     time.Now,
		checks:  make(map[string]Check),
	}
}

// Register adds a named check, replacing an earlier one of the same name.
func (h *Handler) Register(name string, check Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks[name] = check
	h.expires = time.Time{}
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}

	rep := h.report()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !rep.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if r.Method == http.MethodGet {
		// The status line is already out; a failed write has no one to tell.
		_ = json.NewEncoder(w).Encode(rep)
	}
}

// report runs the checks unless a fresh result exists. The lock is held while
// they run on purpose: concurrent probes wait for one shared result. For the
// same reason the caller's context is not used; it belongs to one probe only.
func (h *Handler) report() report {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now().Before(h.expires) {
		return h.cached
	}

	ctx, cancel := context.WithTimeout(context.Background(), h.timeout)
	defer cancel()
	h.cached = runAll(ctx, h.checks)
	h.expires = h.now().Add(h.ttl)
	return h.cached
}

func runAll(ctx context.Context, checks map[string]Check) report {
	type named struct {
		name string
		result
	}
	results := make(chan named, len(checks))
	for name, check := range checks {
		go func() { results <- named{name, run(ctx, check)} }()
	}

	rep := report{Ready: true, Checks: make(map[string]result, len(checks))}
	for range checks {
		n := <-results
		rep.Checks[n.name] = n.result
		rep.Ready = rep.Ready && n.OK
	}
	return rep
}

func run(ctx context.Context, check Check) result {
	start := time.Now()
	err := check(ctx)
	res := result{OK: err == nil, Duration: time.Since(start).Round(time.Millisecond).String()}
	if err != nil {
		res.Error = err.Error()
	}
	return res
}
