// SPDX-License-Identifier: MIT
//
// Look-ups for a program that runs for long: getaddrinfo(3) can block for half a minute, and nothing ends it. Here a
// thread waits for it, and is left behind when somebody says "stop". A name server that is gone changes nothing: the
// last answer is used, because the address is likely the same and the grant must not end meanwhile.
#pragma once

#include "client/addresses.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace xk::client {

class KnownNames {
  public:
    // `stop` is readable from then on. The last answers are used at once then.
    explicit KnownNames(int stop, LookUp look_up = resolve) : stop_(stop), look_up_(std::move(look_up)) {}

    Result<std::vector<Place>> find(const std::string& host, Family family);

  private:
    Result<std::vector<Place>> ask(const std::string& host, Family family) const;
    bool is_stopped() const;

    int stop_;
    LookUp look_up_;
    std::map<std::pair<std::string, Family>, std::vector<Place>> last_;
};

} // namespace xk::client
