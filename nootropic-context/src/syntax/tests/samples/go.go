// Package session keeps sessions.
package session

import (
	"fmt"
	store "example.com/lib/kv"
)

// Limit is how many at most.
const Limit = 16

const (
	open = iota
	closed
)

var defaultPool = NewPool(3)

// Session is one session.
type Session struct {
	id    int
	store *store.Store
}

type (
	Closer interface {
		Close() error
	}
	ID = string
)

func (s *Session) Close() error {
	return s.store.Flush(s.id)
}

func (p Pool[T]) Get() T {
	return p.items[0]
}

func NewPool(n int) *Pool {
	fmt.Println(n) // loud
	return &Pool{size: n}
}
