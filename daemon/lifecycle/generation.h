// SPDX-License-Identifier: MIT
//
// Whether this machine may be another one than a moment ago: a virtual one that goes on from a snapshot, or a clone of
// one. Its firmware has a generation id then, which changes, and says so by an ACPI interrupt (Virtual Machine
// Generation ID, Microsoft; ACPI 6, "VM_Gen_Counter"). The kernel keeps the id for its own random numbers (Linux 5.18,
// vmgenid) and tells no program of it: an event to user space was in Linux 6.8 only. So the interrupts are counted.
// Other firmware events (a device is plugged in) look the same.
#pragma once

#include "protocol/base/fd.h"

#include <cstdint>
#include <optional>

namespace xk {

class Generation {
  public:
    // On a machine without a generation id, or whose kernel does not count, nothing ever changes.
    static Generation watch();

    // Since the last call, or since watch().
    bool may_have_changed();

  private:
    std::optional<std::uint64_t> count() const;

    Fd interrupts_;
    std::optional<std::uint64_t> last_;
};

} // namespace xk
