package model

import "slices"

// Bounds of FirstBurst: that of the key (RFC 7143 13.14), and what a command moves at a time.
const (
	minFirstBurst = 512
	maxFirstBurst = 1 << 20
)

func (c *checker) iscsi() {
	i := c.doc.ISCSI
	if !slices.Contains(InitialR2Ts, i.InitialR2T) {
		c.fail("iscsi.initial-r2t", "%.70q is not %s", i.InitialR2T, list(InitialR2Ts))
	}
	if !slices.Contains(ImmediateDatas, i.ImmediateData) {
		c.fail("iscsi.immediate-data", "%.70q is not %s", i.ImmediateData, list(ImmediateDatas))
	}
	if _, err := i.FirstBurstBytes(); err != nil {
		c.fail("iscsi.first-burst", "%w", err)
	}
	if i.InitialR2T == "yes" && i.ImmediateData == "no" && i.FirstBurst != Auto {
		c.fail("iscsi.first-burst", "nothing comes unasked with initial-r2t: yes and immediate-data: no")
	}
}

// FirstBurstBytes is FirstBurst as a number of bytes; 0 for auto.
func (i ISCSI) FirstBurstBytes() (int, error) {
	return autoSize(i.FirstBurst, minFirstBurst, maxFirstBurst)
}
