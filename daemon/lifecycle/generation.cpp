// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/generation.h"

#include "protocol/base/entries.h"

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

bool has_generation_id(const std::string& devices) {
    std::error_code code;
    for (const auto& device : entries_of(devices, code)) {
        std::ifstream in(device.path() / "modalias");
        std::string names;
        if (std::getline(in, names) && ::strcasestr(names.c_str(), ":VM_Gen_Counter:") != nullptr)
            return true;
    }
    return false;
}

} // namespace

Generation Generation::watch(const Files& files) {
    Generation generation;
    if (has_generation_id(files.devices))
        generation.interrupts_.reset(::open(files.interrupts.c_str(), O_RDONLY | O_CLOEXEC));
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
    while (begin != end && *begin == ' ') // sysfs right-aligns the number
        ++begin;
    std::uint64_t count = 0;
    return std::from_chars(begin, end, count).ec == std::errc{} ? std::optional(count) : std::nullopt;
}

} // namespace xk
