package state

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/lunette-io/lunette/internal/failpoint"
)

// Begin implements [Generations].
func (d *Dir) Begin() (Transaction, error) { return d.begin() }

func (d *Dir) begin() (*transaction, error) {
	d.work.Lock()
	defer d.work.Unlock()
	d.mu.Lock()
	closed, busy, unfinished := d.closed, d.tx != nil, len(d.unfinished)
	next := d.highest + 1
	d.mu.Unlock()
	switch {
	case closed:
		return nil, ErrClosed
	case busy:
		return nil, ErrBusy
	case unfinished > 0:
		return nil, fmt.Errorf("%s: %w", d.path, ErrUnfinished)
	}
	if err := d.renameRecords(); err != nil {
		return nil, err
	}
	if d.doubt != 0 {
		if err := d.takeBack(d.doubt); err != nil {
			return nil, fmt.Errorf("%s: the generation %d, whose commit failed, cannot be removed: %w", d.path, d.doubt, err)
		}
	}
	// A journal that is left is of a change that was committed, or taken back.
	if err := d.dropJournal(); err != nil {
		return nil, err
	}
	t := &transaction{d: d, next: next}
	d.mu.Lock()
	d.tx = t
	d.mu.Unlock()
	return t, nil
}

// A transaction is one of a [Dir].
type transaction struct {
	d    *Dir
	next uint64 // the generation that it wants to commit

	// d.mu guards these.
	pending   []noted // are not in the journal yet
	renaming  []noted // of units; not all of them need be noted yet
	noted     int     // how many there have been
	ended     bool    // it was committed or aborted, or its commit has failed
	committed bool

	// d.work guards the rest.
	journal output // nil: there is none yet
	durable int    // how many of those noted are in the journal, durably
	renames []noted
	spoilt  error // writing the journal has failed: there may be half a line at its end
}

// Makes implements [Transaction]. Those who call it at the same time wait for one sync together.
func (t *transaction) Makes(m Made) error { return t.note(noted{made: m}) }

func (t *transaction) note(n noted) error {
	if err := n.check(); err != nil {
		return err
	}
	d := t.d
	d.mu.Lock()
	if err := t.usable(); err != nil {
		d.mu.Unlock()
		return err
	}
	t.pending = append(t.pending, n)
	t.noted++
	mine := t.noted
	d.mu.Unlock()

	d.work.Lock()
	defer d.work.Unlock()
	if t.durable >= mine {
		return nil // someone else has written it meanwhile
	}
	if t.spoilt != nil {
		return t.spoilt
	}
	d.mu.Lock()
	err := t.usable()
	pending := t.pending
	t.pending = nil
	d.mu.Unlock()
	if err == nil {
		err = t.write(pending)
	}
	if err != nil {
		t.spoilt = fmt.Errorf("%s: cannot write it: %w", d.file(journalName), err)
		return t.spoilt
	}
	t.durable += len(pending)
	for _, n := range pending {
		if n.old != "" {
			t.renames = append(t.renames, n)
		}
	}
	return nil
}

// usable reports why nothing more can be done with the transaction. t.d.mu is held.
func (t *transaction) usable() error {
	switch {
	case t.ended:
		return ErrEnded
	case t.d.closed:
		return ErrClosed
	}
	return nil
}

// write appends to the journal, durably. t.d.work is held.
func (t *transaction) write(all []noted) error {
	d := t.d
	first, generation := t.journal == nil, uint64(0)
	if first {
		d.journaled = true // even if making it is reported as failed
		out, err := d.f.create(journalName)
		if err != nil {
			return err
		}
		t.journal = out
		generation = t.next
	}
	b := journalLine(generation, all)
	failpoint.Here("state/journal/made")
	if _, err := t.journal.Write(b); err != nil {
		return err
	}
	failpoint.Here("state/journal/written")
	if err := t.journal.Sync(); err != nil {
		return err
	}
	if first {
		if err := d.f.syncDir(""); err != nil {
			return err
		}
	}
	failpoint.Here("state/journal/durable")
	return nil
}

// Commit implements [Transaction]. What the change has made has to be taken back after an error, and
// then Abort may be called; it need not be.
func (t *transaction) Commit(text []byte, m Meta) (Meta, error) {
	d := t.d
	d.work.Lock()
	defer d.work.Unlock()
	failpoint.Here("state/commit/begun")
	d.mu.Lock()
	err := t.usable()
	t.ended = true
	parent := d.current.Generation
	d.mu.Unlock()
	if err != nil {
		return Meta{}, err
	}
	s := Stored{Text: bytes.Clone(text)}
	if s.Meta, err = complete(m, t.next, parent, s.Text, d.now); err == nil {
		err = d.store(s)
	}
	t.end()
	d.mu.Lock()
	d.tx = nil
	if err == nil {
		d.current, d.highest, t.committed = s, t.next, true
		d.all = append(d.all, entry{generation: t.next, meta: s.Meta})
	}
	d.mu.Unlock()
	if err != nil {
		return Meta{}, err
	}
	failpoint.Here("state/commit/durable")
	// It is committed. What follows is tidying up: what does not succeed is done by the next start, or
	// by the next transaction.
	d.mark()
	if d.renames = t.renames; len(d.renames) > 0 {
		if d.renameRecords() == nil {
			_ = d.dropJournal()
		}
	} else if d.journaled && d.f.remove(journalName) == nil {
		d.journaled = false
	}
	failpoint.Here("state/commit/unjournaled")
	d.prune()
	return s.Meta, nil
}

// Abort implements [Transaction].
func (t *transaction) Abort() error {
	d := t.d
	d.work.Lock()
	defer d.work.Unlock()
	d.mu.Lock()
	ended, closed, committed := t.ended, d.closed, t.committed
	other := d.tx != nil && ended // another transaction has begun since this one's commit failed
	t.ended = true
	if !ended {
		d.tx = nil
	}
	d.mu.Unlock()
	t.end()
	switch {
	case committed:
		return ErrEnded
	case closed:
		return ErrClosed
	case other:
		return nil
	}
	return d.dropJournal()
}

// end closes the journal. t.d.work is held.
func (t *transaction) end() {
	if t.journal != nil {
		_ = t.journal.Close() // what counts in it is synced
		t.journal = nil
	}
}

// store makes s durable. After an error it is not there, unless the error is [ErrDoubtful].
//
// There are two syncs: that of the file, so that no crash shows its name with anything but all of its
// content, and that of the directory, without which the name may not be there after a crash that
// comes when the change was acknowledged.
// d.work is held.
func (d *Dir) store(s Stored) error {
	path := generationsDir + "/" + fileName(s.Generation)
	if err := put(d.f, path, encodeGeneration(s.Meta, s.Text)); err != nil {
		err = fmt.Errorf("%s: cannot write it: %w", d.file(path), err)
		// Some file systems do what they report as failed: then the name is there.
		if _, _, e := d.f.read(path, 0); errors.Is(e, os.ErrNotExist) {
			return err
		}
		return d.withdraw(s.Generation, err)
	}
	failpoint.Here("state/commit/renamed")
	if err := d.f.syncDir(generationsDir); err != nil {
		return d.withdraw(s.Generation, fmt.Errorf("%s: cannot make it durable: %w", d.file(path), err))
	}
	return nil
}

// withdraw takes a generation back whose commit failed with err, and returns that. d.work is held.
func (d *Dir) withdraw(generation uint64, err error) error {
	if e := d.takeBack(generation); e != nil {
		d.doubt = generation
		return fmt.Errorf("%w; nor can it be removed (%w): %w", err, e, ErrDoubtful)
	}
	return err
}

// takeBack removes a generation whose commit failed, durably. d.work is held.
func (d *Dir) takeBack(generation uint64) error {
	if err := d.f.remove(generationsDir + "/" + fileName(generation)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := d.f.syncDir(generationsDir); err != nil {
		return err
	}
	d.doubt = 0
	return nil
}

// prune removes generations that are older than those that are kept. That need not be durable: what
// comes back is removed again.
func (d *Dir) prune() {
	d.mu.Lock()
	old := slices.Clone(d.all[:max(0, len(d.all)-d.keep)])
	d.mu.Unlock()
	gone := make(map[uint64]bool)
	for _, e := range old {
		err := d.f.remove(generationsDir + "/" + fileName(e.generation))
		gone[e.generation] = err == nil || errors.Is(err, os.ErrNotExist)
	}
	if len(gone) == 0 {
		return
	}
	d.mu.Lock()
	d.all = slices.DeleteFunc(d.all, func(e entry) bool { return gone[e.generation] })
	d.mu.Unlock()
}
