// SPDX-License-Identifier: MIT
#include "client/used_codes.h"

#include "client/state_file.h"
#include "protocol/base/fd.h"
#include "protocol/encoding.h"
#include "protocol/otp.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

namespace xk::client {
namespace {

using std::chrono::seconds;

constexpr std::size_t kMostUsedBytes = 4096; // then old lines are taken out

std::int64_t seconds_of(WallTime time) { return std::chrono::duration_cast<seconds>(time.time_since_epoch()).count(); }

std::string file_of(const std::string& directory, const Profile& profile) {
    return directory + "/used-" + to_hex(profile.credential);
}

bool is_recent(std::int64_t time, WallTime now) {
    return std::abs(seconds_of(now) - time) <= kCodeMayCount.count(); // a clock may be set back
}

std::string recent_lines(const std::string& text, WallTime now) {
    std::istringstream lines(text);
    std::string kept;
    for (std::string line; std::getline(lines, line);)
        if (is_recent(std::strtoll(line.c_str(), nullptr, 10), now))
            kept += line + "\n";
    return kept;
}

// One line in one write: another client may do the same now.
void append(const std::string& file, const std::string& line) {
    const Fd fd(::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    if (fd)
        (void)!::write(fd.get(), line.data(), line.size());
}

} // namespace

std::string UsedCodes::hash(const std::string& code, std::int64_t time) const {
    const std::string text = "xknock used code " + std::to_string(time) + " " + code;
    Bytes<16> hash;
    crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                       profile_.keys->nonce.data(), profile_.keys->nonce.size());
    return to_hex(hash);
}

std::optional<seconds> UsedCodes::age(const std::string& code, WallTime now) const {
    const std::string directory = state_directory();
    if (directory.empty())
        return {};
    std::istringstream lines(read_state(file_of(directory, profile_)));
    std::optional<seconds> age;
    for (std::string line; std::getline(lines, line);) {
        const std::int64_t time = std::strtoll(line.c_str(), nullptr, 10);
        if (is_recent(time, now) && line == std::to_string(time) + " " + hash(code, time))
            age = seconds(std::max<std::int64_t>(seconds_of(now) - time, 0));
    }
    return age;
}

void UsedCodes::remember(const std::string& code, WallTime now) const {
    const std::string directory = made_state_directory();
    if (directory.empty())
        return;
    const std::string file = file_of(directory, profile_), before = read_state(file);
    const std::string line = std::to_string(seconds_of(now)) + " " + hash(code, seconds_of(now)) + "\n";
    if (before.size() > kMostUsedBytes)
        write_state(file, recent_lines(before, now) + line);
    else
        append(file, line);
}

std::string used_words(seconds age, FactorKind factor, WallTime now) {
    const std::string words = "used " + std::to_string(age.count()) + " s ago; ";
    if (factor == FactorKind::hotp)
        return words + "take the next one";
    if (totp_step(now - age) != totp_step(now))
        return words + "the next one is there";
    const auto left = kTotpPeriod - std::chrono::floor<seconds>(now.time_since_epoch()) % kTotpPeriod;
    return words + "the next one in " + std::to_string(left.count()) + " s";
}

std::chrono::milliseconds until_next_step(WallTime now) {
    const auto into = now.time_since_epoch() % std::chrono::microseconds(kTotpPeriod);
    return std::chrono::ceil<std::chrono::milliseconds>(kTotpPeriod - into) + std::chrono::milliseconds(200);
}

} // namespace xk::client
