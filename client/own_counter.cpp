// SPDX-License-Identifier: MIT
#include "client/own_counter.h"

#include "client/state_file.h"
#include "protocol/base/fd.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"
#include "protocol/otp.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

namespace xk::client {
namespace {

constexpr HotpCounter kMostCounter = HotpCounter{1} << 62; // the server's are below 2^63

// Its lock is held until it is closed.
Result<Fd> locked_counter(const std::string& file) {
    Fd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0)
        return os_error("opening " + in_quotes(file));
    if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
        return Error{in_quotes(file) + " is not a file of yours alone", "remove it, and enroll the device again"};
    while (::flock(fd.get(), LOCK_EX) != 0)
        if (errno != EINTR)
            return os_error("locking " + in_quotes(file));
    return fd;
}

// An empty file is a new one. The number ends with the line, so that half of a number is none.
Result<HotpCounter> read_counter(const Fd& fd, const std::string& file) {
    std::array<char, 32> text{};
    const ssize_t size = ::pread(fd.get(), text.data(), text.size(), 0);
    if (size < 0)
        return os_error("reading " + in_quotes(file));
    if (size == 0)
        return HotpCounter{0};
    HotpCounter counter = 0;
    const char* const end = text.data() + size;
    const auto read = std::from_chars(text.data(), end, counter);
    if (read.ec != std::errc() || read.ptr + 1 != end || *read.ptr != '\n' || counter > kMostCounter)
        return Error{in_quotes(file) + " does not hold a counter", "remove it, and enroll the device again"};
    return counter;
}

// The number never gets shorter, so it is overwritten as a whole.
Result<void> write_counter(const Fd& fd, const std::string& file, HotpCounter counter) {
    const std::string text = std::to_string(counter) + "\n";
    if (::pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ::fdatasync(fd.get()) != 0)
        return os_error("writing " + in_quotes(file));
    return {};
}

} // namespace

Result<std::string> own_hotp_codes(const Profile& profile) {
    const std::string directory = made_state_directory();
    if (directory.empty())
        return Error{"there is no home directory for the counter of the codes", "set XDG_STATE_HOME"};
    const std::string file = directory + "/counter-" + to_hex(profile.credential);
    auto fd = locked_counter(file);
    if (!fd)
        return fd.error();
    const auto counter = read_counter(*fd, file);
    if (!counter)
        return counter.error();
    if (auto written = write_counter(*fd, file, *counter + 2); !written)
        return written.error();
    const ByteView secret(profile.factor_key->bytes, profile.factor_key->size);
    return hotp_code(secret, *counter, profile.digits) + hotp_code(secret, *counter + 1, profile.digits);
}

} // namespace xk::client
