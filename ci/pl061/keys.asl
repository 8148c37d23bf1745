// SPDX-License-Identifier: GPL-2.0
// For guest acpi of scenario.py: a key on line 4 of the PL061 that wakes the machine, and a
// device whose interrupt no GIC can have (5 is an SGI). Its registers are those of the clock.
DefinitionBlock ("keys.aml", "SSDT", 2, "SERIES", "KEYS", 1)
{
    External (\_SB.GPO0, DeviceObj)

    Device (\_SB.KEYS)
    {
        Name (_HID, "PRP0001")
        Name (_CRS, ResourceTemplate () {
            GpioInt (Edge, ActiveBoth, ExclusiveAndWake, PullNone, 0, "\\_SB.GPO0") { 4 }
        })
        Name (_DSD, Package () {
            ToUUID ("daffd814-6eba-4d8c-8a91-bc9bbf4aa301"),
            Package () { Package () { "compatible", "gpio-keys" } },
            ToUUID ("dbb8e3e6-5886-4ba6-8795-1319f52a966b"),
            Package () { Package () { "wake", "WAKE" } }
        })
        Name (WAKE, Package () {
            ToUUID ("daffd814-6eba-4d8c-8a91-bc9bbf4aa301"),
            Package () {
                Package () { "linux,code", 143 },
                Package () { "label", "Wake" },
                Package () { "gpios", Package () { ^KEYS, 0, 0, 0 } },
                Package () { "wakeup-source", 1 }
            }
        })
    }

    Device (\_SB.GPO1)
    {
        Name (_HID, "ARMH0061")
        Name (_UID, 1)
        Name (_CRS, ResourceTemplate () {
            Memory32Fixed (ReadWrite, 0x09010000, 0x1000)
            Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { 5 }
        })
    }
}
