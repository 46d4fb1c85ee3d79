// SPDX-License-Identifier: MIT
//
// Opens a connection to the port: it tries whether the port answers already, then knocks and retries the connection
// while the pinhole opens. A closed port is silent, so a connection that stands is the only sign of success.
#pragma once

#include "client/knock.h"
#include "client/profile.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace xk::client {

// The first eight addresses of a name, in the order of RFC 6724 (getaddrinfo) with the families by turns (RFC 8305); an
// address in text is itself.
Result<std::vector<Address>> resolve(const std::string& host);

// Connections that are being made; the first that stands wins and the others are given up.
class Attempts {
  public:
    // Begins one more, from `local` if given. A failure to begin counts as an attempt that failed.
    void begin(const Address& to, std::uint16_t port, const std::optional<Address>& local);
    // Waits at most this long. The connection that stands, if one does.
    std::optional<Fd> wait(std::chrono::milliseconds time);

    bool any_pending() const { return !pending_.empty(); }
    // Why the last attempt that failed did: an errno, 0 when none failed.
    int last_failure() const { return last_failure_; }

  private:
    std::vector<Fd> pending_;
    int last_failure_ = 0;
};

struct Connected {
    Fd fd;
    Address address;
    bool knocked = false;
    std::chrono::microseconds since_knock{0}; // from the first packet sent
};

// Connects to `port`, knocking if it does not answer by itself. `codes` gives a code each time one is needed. From the
// first knock on it takes the profile's `wait` at most, for all addresses together; where codes come without a person,
// and the present one may have been used, after the next half minute has begun. Where knock and connection go to two
// hosts, the knock takes the family of the connection.
Result<Connected> knock_and_connect(const Profile& profile, const RequestSpec& spec, const std::string& host,
                                    std::uint16_t port, const std::function<Result<std::string>()>& codes);

// Sends the knock and its copy, and does not wait. A request to open goes to the first of the server's addresses that
// has a route: another family has another source, and a person's code is good for one. A request to close goes to all
// of them, because the client does not know by which one the pinhole was opened; a knock too many closes nothing else.
Result<void> knock_only(const Profile& profile, const RequestSpec& spec, const std::string& host,
                        const std::string& code);

} // namespace xk::client
