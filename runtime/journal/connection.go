package journal

import (
	"context"
	"database/sql"
	"errors"
)

// connection is the one that writes. SQLite takes as long to read a statement as to
// execute it, so those that have come once are kept. It is for one goroutine at a time.
type connection struct {
	*sql.Conn
	prepared map[string]*sql.Stmt
}

func newConnection(conn *sql.Conn) *connection { return &connection{conn, map[string]*sql.Stmt{}} }

// maxPrepared is more than there are statements in this package.
const maxPrepared = 100

// ExecContext executes a statement.
func (c *connection) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s := c.prepared[query]
	if s == nil {
		if len(c.prepared) == maxPrepared {
			return c.Conn.ExecContext(ctx, query, args...)
		}
		var err error
		if s, err = c.PrepareContext(ctx, query); err != nil {
			return nil, err
		}
		c.prepared[query] = s
	}
	return s.ExecContext(ctx, args...)
}

// Close closes the statements, which would keep the files of the database open, and the
// connection.
func (c *connection) Close() error {
	var err error
	for _, s := range c.prepared {
		err = errors.Join(err, s.Close())
	}
	return errors.Join(err, c.Conn.Close())
}
