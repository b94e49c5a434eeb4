// Package frontend is the other end of vhost-user: what a virtual machine's monitor does, for a driver in this process. It makes the memory that the driver and the device share, hands it over, starts and stops
// queues. For `lunette bench`, the suites and the fuzz targets.
package frontend
