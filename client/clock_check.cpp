// SPDX-License-Identifier: MIT
#include "client/clock_check.h"

#include "client/last_use.h"

#include <sys/stat.h>
#include <sys/timex.h>

#include <charconv>
#include <cstdlib>
#include <fstream>

namespace xk::client {
namespace {

// A server allows 30 s if its operator says nothing else. The hardware clock has whole seconds.
constexpr std::time_t kNotable = 15;

bool is_kept_right() {
    timex state{};
    const int answer = ::adjtimex(&state);
    return answer >= 0 && answer != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

// Whether the hardware clock shows the local time, as a machine with Windows beside may have it (hwclock(8)).
bool shows_local_time(const std::string& root) {
    std::ifstream file(root + "/etc/adjtime");
    std::string line;
    for (int i = 0; i < 3; ++i)
        std::getline(file, line);
    return line == "LOCAL";
}

std::optional<std::time_t> hardware_clock(const std::string& root) {
    std::string text;
    std::time_t time = 0;
    if (!std::getline(std::ifstream(root + "/sys/class/rtc/rtc0/since_epoch"), text) ||
        std::from_chars(text.data(), text.data() + text.size(), time).ec != std::errc())
        return {};
    if (!shows_local_time(root))
        return time;
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    parts.tm_isdst = -1;
    return ::mktime(&parts);
}

// As a watch shows it, with the time zone.
std::string text_of(std::time_t time) {
    std::tm parts{};
    char text[64];
    ::localtime_r(&time, &parts);
    return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &parts)};
}

bool hardware_differs(const ClockFacts& facts) {
    return facts.hardware && std::abs(*facts.hardware - facts.now) >= kNotable;
}

bool is_before_the_past(const ClockFacts& facts) { return facts.past >= facts.now + kNotable; }

} // namespace

std::string span_text(std::time_t seconds) {
    seconds = std::abs(seconds);
    const auto two = [](std::time_t big, const char* big_unit, std::time_t small, const char* small_unit) {
        return std::to_string(big) + " " + big_unit +
               (small == 0 ? "" : " " + std::to_string(small) + " " + small_unit);
    };
    if (seconds >= 86400)
        return two(seconds / 86400, "d", seconds % 86400 / 3600, "h");
    if (seconds >= 3600)
        return two(seconds / 3600, "h", seconds % 3600 / 60, "min");
    return seconds >= 60 ? two(seconds / 60, "min", seconds % 60, "s") : std::to_string(seconds) + " s";
}

ClockFacts read_clock_facts(const Profile& profile, const std::string& root) {
    ClockFacts facts{.now = std::time(nullptr),
                     .is_synchronised = is_kept_right(),
                     .hardware = hardware_clock(root),
                     .past = 0,
                     .event = "this profile came here"};
    // A copy has this time of its own, and not that of what was copied.
    struct stat status {};
    if (::stat(profile.file.c_str(), &status) == 0)
        facts.past = status.st_ctime;
    if (const auto use = last_use(profile); use && std::chrono::system_clock::to_time_t(use->time) > facts.past) {
        facts.past = std::chrono::system_clock::to_time_t(use->time);
        facts.event = "this profile was used last";
    }
    return facts;
}

bool is_clock_doubtful(const ClockFacts& facts) {
    return !facts.is_synchronised && (hardware_differs(facts) || is_before_the_past(facts));
}

std::string clock_words(const ClockFacts& facts) {
    std::string words = facts.is_synchronised ? "synchronised" : "not synchronised";
    const std::string says = "; it says " + text_of(facts.now);
    if (hardware_differs(facts))
        return words + says + ", " + span_text(*facts.hardware - facts.now) +
               (*facts.hardware > facts.now ? " behind" : " ahead of") + " the hardware clock: one of them is wrong";
    if (facts.is_synchronised)
        return words;
    if (is_before_the_past(facts))
        return words + says + ", " + span_text(facts.past - facts.now) + " before " + facts.event +
               ": it is wrong, or it was wrong then";
    return words + says;
}

std::string clock_remedy() {
    return "set the clock right first (\"timedatectl set-ntp true\" or \"chronyc makestep\", as root): a server "
           "refuses a clock that is 30 s off, or as much as its operator says";
}

} // namespace xk::client
