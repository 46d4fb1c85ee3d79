// SPDX-License-Identifier: MIT
//
// The filter as a component of libxdp's dispatcher (dispatcher.h).
#pragma once

#include "daemon/xdp/program.h"
#include "protocol/base/result.h"

#include <memory>
#include <string>

struct xdp_program;

namespace xk::xdp {

class Component {
  public:
    // `program` is open but not loaded: libxdp loads the one for this layer as an extension of its dispatcher.
    static Result<Component> make(Program program, LinkLayer layer, unsigned priority);

    // Adds the filter to the interface and removes older filters of ours. The mode is native, or that of the
    // dispatcher; generic only if that is allowed. Returns whether it is generic.
    Result<bool> attach(const std::string& interface, int ifindex, bool allow_generic);

    bool is_attached(int ifindex) const;

  private:
    struct Close {
        void operator()(xdp_program* program) const;
    };
    Component(Program program, std::unique_ptr<xdp_program, Close> component);

    Program program_; // component_ uses its object
    std::unique_ptr<xdp_program, Close> component_;
};

} // namespace xk::xdp
