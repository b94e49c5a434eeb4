package nexus

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/scsi"
)

// conditions are all that a unit could report and more, so that the bound is reached.
var conditions = []scsi.ASC{
	scsi.ASCPowerOnResetOrBusDeviceReset, scsi.ASCPowerOnOccurred, scsi.ASCDeviceInternalReset, scsi.ASCBusResetOccurred,
	scsi.ASCMicrocodeChanged, scsi.ASCBusDeviceResetFunctionOccurred, scsi.ASCNexusLossOccurred, scsi.ASCParametersChanged,
	scsi.ASCModeParametersChanged, scsi.ASCLogParametersChanged, scsi.ASCReservationsPreempted, scsi.ASCReservationsReleased,
	scsi.ASCRegistrationsPreempted, scsi.ASCPriorityChanged, scsi.ASCCapacityDataChanged, scsi.ASCTimestampChanged,
	scsi.ASCCommandsClearedByAnotherInitiator, scsi.ASCReportedLUNsDataChanged, scsi.ASCInquiryDataChanged,
	scsi.ASCThresholdReached, scsi.ASCMediumMayHaveChanged, scsi.ASCAsymmetricAccessStateChanged,
}

// The queue of conditions against a list that is sorted whenever it grows.
func TestAttentionQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var u attentions
		var want []scsi.ASC
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			a := rapid.SampledFrom(conditions).Draw(t, "condition")
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				got, ok := u.take()
				if ok != (len(want) > 0) || ok && got != want[0] {
					t.Fatalf("took %v %v of %v", got, ok, want)
				}
				want = want[min(1, len(want)):]
			case 1:
				u.clear(a)
				want = slices.DeleteFunc(slices.Clone(want), func(o scsi.ASC) bool { return o == a })
			default:
				u.establish(a)
				if !slices.Contains(want, a) {
					want = append(slices.Clone(want), a)
					slices.SortStableFunc(want, func(a, b scsi.ASC) int { return rank(a) - rank(b) })
					want = want[:min(len(want), maxAttentions)]
				}
			}
			if got := u.all(); !slices.Equal(got, want) {
				t.Fatalf("%v, want %v", got, want)
			}
			if u.pending.Load() != (len(want) > 0) {
				t.Fatalf("pending is %v with %v", u.pending.Load(), want)
			}
		}
	})
}

// What comes first whatever the order (SAM-5 5.14, SPC-5 table 60).
func TestAttentionRank(t *testing.T) {
	want := []scsi.ASC{
		scsi.ASCPowerOnResetOrBusDeviceReset, scsi.ASCPowerOnOccurred, scsi.ASCBusResetOccurred,
		scsi.ASCBusDeviceResetFunctionOccurred, scsi.ASCNexusLossOccurred, scsi.ASCModeParametersChanged,
	}
	var u attentions
	for _, a := range slices.Backward(want) {
		u.establish(a)
		u.establish(a)
	}
	if got := u.all(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
