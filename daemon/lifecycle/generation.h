// SPDX-License-Identifier: MIT
//
// Generation notices that a virtual machine may continue from a snapshot, or be a clone of another one. The hypervisor
// then changes a generation id in the firmware and sends an ACPI interrupt (Virtual Machine Generation ID, Microsoft;
// ACPI 6, "VM_Gen_Counter"). The kernel uses the id for its random numbers (Linux 5.18, vmgenid) and shows it to no
// program; only Linux 6.8 sent an event. So we count the interrupts. Other events of the firmware, such as a new
// device, look the same.
#pragma once

#include "protocol/base/fd.h"

#include <cstdint>
#include <optional>
#include <string>

namespace xk {

class Generation {
  public:
    // The firmware's files in sysfs.
    struct Files {
        std::string devices = "/sys/bus/acpi/devices";
        // The number of all interrupts of the firmware (Documentation/ABI/testing/sysfs-firmware-acpi).
        std::string interrupts = "/sys/firmware/acpi/interrupts/sci";
    };
    // On a machine without a generation id, or whose kernel does not count interrupts, nothing ever changes.
    static Generation watch(const Files& files);
    static Generation watch() { return watch(Files{}); }

    // Whether the firmware sent interrupts since the last call, or since watch().
    bool may_have_changed();

  private:
    std::optional<std::uint64_t> count() const;

    Fd interrupts_;
    std::optional<std::uint64_t> last_;
};

} // namespace xk
