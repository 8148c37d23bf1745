// SPDX-License-Identifier: GPL-2.0
//! IDs that match nothing or end the table, and data that the bus would take for its own.
use kernel::amba::{DeviceId, IdTable};
use kernel::device_id::IdArray;

pub const MATCHES: DeviceId = DeviceId::new(0x0004_1061, 0x000f_ffff);
pub const MASKED_OFF: DeviceId = DeviceId::new(0x0004_1061, 0x000f_ff00); //~ E0080
pub const END: DeviceId = DeviceId::new(0, 0); //~ E0080

kernel::amba_device_table!(TABLE, [DeviceId::new(1, 1)]);
pub const WITH_MACRO: IdTable = &TABLE;

pub static WITH_DATA: IdArray<DeviceId, u32, 1> = IdArray::new([(DeviceId::new(1, 1), &5)]); //~ E0277
