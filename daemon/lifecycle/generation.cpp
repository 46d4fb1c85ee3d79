// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/generation.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace xk {
namespace {

// Documentation/ABI/testing/sysfs-firmware-acpi: interrupts of the firmware, all together.
constexpr const char* kInterrupts = "/sys/firmware/acpi/interrupts/sci";
constexpr const char* kDevices = "/sys/bus/acpi/devices";

bool has_generation_id() {
    std::error_code code;
    for (const auto& device : std::filesystem::directory_iterator(kDevices, code)) {
        std::ifstream in(device.path() / "modalias");
        std::string names;
        if (std::getline(in, names) && ::strcasestr(names.c_str(), ":VM_Gen_Counter:") != nullptr)
            return true;
    }
    return false;
}

} // namespace

Generation Generation::watch() {
    Generation generation;
    if (has_generation_id())
        generation.interrupts_.reset(::open(kInterrupts, O_RDONLY | O_CLOEXEC));
    generation.last_ = generation.count();
    return generation;
}

bool Generation::may_have_changed() {
    const auto before = std::exchange(last_, count());
    return before && last_ && *before != *last_;
}

std::optional<std::uint64_t> Generation::count() const {
    char text[64];
    const ssize_t n = interrupts_ ? ::pread(interrupts_.get(), text, sizeof text, 0) : -1;
    const char* begin = text;
    const char* const end = text + (n > 0 ? n : 0);
    while (begin != end && *begin == ' ') // the number is in a column
        ++begin;
    std::uint64_t count = 0;
    return std::from_chars(begin, end, count).ec == std::errc{} ? std::optional(count) : std::nullopt;
}

} // namespace xk
