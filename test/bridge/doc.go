// Package bridge has tests of the bridge in a whole daemon: initiators come by iSCSI, and what they reach is a device in memory, which logs what it is given.
package bridge
