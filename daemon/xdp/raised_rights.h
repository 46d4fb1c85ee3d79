// SPDX-License-Identifier: MIT
//
// The capabilities that libxdp needs (CAP_SYS_ADMIN, CAP_DAC_OVERRIDE): permitted with "xdp: {coexist: libxdp}", and in
// effect while a RaisedRights lives.
#pragma once

#include <vector>

namespace xk::xdp {

// Whether the process may raise them; unknown, with errno, where it cannot read its own.
enum class Permitted { yes, no, unknown };
Permitted may_raise_rights();

class RaisedRights {
  public:
    RaisedRights();
    ~RaisedRights();
    RaisedRights(const RaisedRights&) = delete;
    RaisedRights& operator=(const RaisedRights&) = delete;

  private:
    std::vector<unsigned> raised_; // those that were not in effect before
};

} // namespace xk::xdp
