package optical

import (
	"slices"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// A featureOf is a feature of the drive: with which discs it is current, and which commands it promises.
type featureOf struct {
	code     uint16
	profiles []profile // nil: with all, and without a disc
	commands []scsi.Opcode
}

// featureTable has the features of the drive in the order of their numbers: those that MMC-6 5.4 demands for its profiles. The commands are
// those that the feature makes mandatory (MMC-6 5.3), so that none is promised which the drive does not have.
var featureTable = [...]featureOf{
	{code: page.FeatureProfileList, commands: []scsi.Opcode{scsi.OpGetConfiguration}},
	{code: page.FeatureCore, commands: []scsi.Opcode{scsi.OpTestUnitReady, scsi.OpRequestSense, scsi.OpInquiry, scsi.OpGetConfiguration,
		scsi.OpGetEventStatus, scsi.OpModeSelect10, scsi.OpModeSense10}},
	{code: page.FeatureMorphing, commands: []scsi.Opcode{scsi.OpGetConfiguration, scsi.OpGetEventStatus}},
	{code: page.FeatureRemovableMedium, commands: []scsi.Opcode{scsi.OpStartStopUnit, scsi.OpPreventAllowRemoval, scsi.OpMechanismStatus}},
	{page.FeatureRandomReadable, []profile{page.ProfileCDROM, page.ProfileDVDROM, page.ProfileBDROM, page.ProfileDVDRW, page.ProfileBDRE},
		[]scsi.Opcode{scsi.OpReadCapacity10, scsi.OpRead10}},
	{page.FeatureCDRead, []profile{page.ProfileCDROM}, []scsi.Opcode{scsi.OpReadTOC, scsi.OpReadCDMSF, scsi.OpReadCD}},
	{page.FeatureDVDRead, []profile{page.ProfileDVDROM, page.ProfileDVDRW},
		[]scsi.Opcode{scsi.OpRead10, scsi.OpReadTOC, scsi.OpRead12, scsi.OpReadDiscStructure}},
	{page.FeatureRandomWritable, []profile{page.ProfileDVDRW, page.ProfileBDRE},
		[]scsi.Opcode{scsi.OpReadCapacity10, scsi.OpWrite10, scsi.OpWriteAndVerify10, scsi.OpSynchronizeCache10}},
	{page.FeatureFormattable, []profile{page.ProfileDVDRW, page.ProfileBDRE},
		[]scsi.Opcode{scsi.OpFormatUnit, scsi.OpReadFormatCapacities, scsi.OpVerify10}},
	{page.FeatureDefectManagement, []profile{page.ProfileBDRE}, []scsi.Opcode{scsi.OpReadDiscStructure}},
	{page.FeatureDVDPlusRW, []profile{page.ProfileDVDRW}, []scsi.Opcode{scsi.OpFormatUnit, scsi.OpReadFormatCapacities, scsi.OpWrite10,
		scsi.OpReadDiscInformation, scsi.OpReadTrackInformation, scsi.OpSendOPCInformation, scsi.OpCloseTrackSession, scsi.OpReadBufferCapacity,
		scsi.OpReadDiscStructure}},
	{page.FeatureBDRead, []profile{page.ProfileBDROM, page.ProfileBDRE}, []scsi.Opcode{scsi.OpReadCapacity10, scsi.OpRead10, scsi.OpReadTOC,
		scsi.OpReadDiscInformation, scsi.OpReadTrackInformation, scsi.OpRead12, scsi.OpReadDiscStructure}},
	{page.FeatureBDWrite, []profile{page.ProfileBDRE}, []scsi.Opcode{scsi.OpFormatUnit, scsi.OpReadFormatCapacities, scsi.OpWrite10,
		scsi.OpWriteAndVerify10, scsi.OpVerify10, scsi.OpSynchronizeCache10, scsi.OpReadDiscInformation, scsi.OpReadTrackInformation,
		scsi.OpSendOPCInformation, scsi.OpCloseTrackSession, scsi.OpReadBufferCapacity, scsi.OpWrite12}},
	{code: page.FeaturePowerManagement, commands: []scsi.Opcode{scsi.OpStartStopUnit, scsi.OpGetEventStatus}},
	{code: page.FeatureTimeout, commands: []scsi.Opcode{scsi.OpModeSelect10, scsi.OpModeSense10}},
	{page.FeatureRealTime, []profile{page.ProfileDVDROM, page.ProfileBDROM, page.ProfileDVDRW, page.ProfileBDRE},
		[]scsi.Opcode{scsi.OpReadBufferCapacity, scsi.OpRead12, scsi.OpGetPerformance, scsi.OpSetStreaming, scsi.OpSetCDSpeed, scsi.OpModeSense10}},
	{code: page.FeatureSerialNumber, commands: []scsi.Opcode{scsi.OpGetConfiguration}},
}

// current reports that the feature is current with a disc of profile p.
func (f featureOf) current(p profile) bool {
	return f.profiles == nil || slices.Contains(f.profiles, p)
}

// descriptor is the feature with the disc s.
func (f featureOf) descriptor(s shape, serial string) page.Feature {
	d := f.content(s, serial)
	d.Current = f.current(s.profile)
	return d
}

// content is the descriptor, but for what is current. BD: discs of class 0 and 1 and version 1 of read-only ones, of class 0 and version 1,
// class 1 and version 2 of rewritable ones.
func (f featureOf) content(s shape, serial string) page.Feature {
	switch f.code {
	case page.FeatureProfileList:
		return page.ProfileList(uint16(s.profile), profiles[:]...)
	case page.FeatureCore:
		return page.CoreFeature(page.InterfaceSCSI, true)
	case page.FeatureMorphing:
		return page.MorphingFeature(false)
	case page.FeatureRemovableMedium:
		return page.RemovableMediumFeature(page.LoadingTray, true, true, true)
	case page.FeatureRandomReadable:
		return page.RandomReadableFeature(s.profile.blocking(), true)
	case page.FeatureCDRead:
		return page.CDReadFeature()
	case page.FeatureDVDRead:
		return page.DVDReadFeature(true)
	case page.FeatureRandomWritable:
		last := uint32(0)
		if f.current(s.profile) {
			last = s.blocks - 1
		}
		return page.RandomWritableFeature(last, s.profile.blocking(), true)
	case page.FeatureFormattable:
		return page.FormattableFeature(true)
	case page.FeatureDefectManagement:
		return page.DefectManagementFeature()
	case page.FeatureDVDPlusRW:
		return page.DVDPlusRWFeature(true, true, false)
	case page.FeatureBDRead:
		re := [4]uint16{1 << 1, 1 << 2}
		return page.BDReadFeature(re, [4]uint16{}, [4]uint16{1 << 1, 1 << 1})
	case page.FeatureBDWrite:
		return page.BDWriteFeature([4]uint16{1 << 1, 1 << 2}, [4]uint16{})
	case page.FeaturePowerManagement:
		return page.PowerManagementFeature()
	case page.FeatureTimeout:
		return page.TimeoutFeature()
	case page.FeatureRealTime:
		return page.RealTime{BufferCapacity: true, SetCDSpeed: true, WriteSpeeds: true}.Feature()
	}
	return page.SerialNumberFeature(serial)
}

// configuration is GET CONFIGURATION data (MMC-6 6.6) with the disc s.
func (s shape) configuration(c cdb.GetConfiguration, serial string) ([]byte, error) {
	if c.Which > cdb.OneFeature {
		return nil, scsi.InvalidFieldInCDB(1, 1)
	}
	all := make([]page.Feature, 0, len(featureTable))
	for _, f := range featureTable {
		switch {
		case f.code < c.First, c.Which == cdb.OneFeature && f.code != c.First, c.Which == cdb.CurrentFeatures && !f.current(s.profile):
			continue
		}
		all = append(all, f.descriptor(s, serial))
	}
	return page.AppendFeatures(nil, uint16(s.profile), all...), nil
}
