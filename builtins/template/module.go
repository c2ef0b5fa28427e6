// Package template is the module template: texts with variables in them. The engine
// is package render, which op.template uses as well.
package template

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the module template.
var Module = module.New("template", `Texts with variables in them.

The language is that of Django templates: {{ name }} prints a variable,
{% if %}, {% for %}, {% set %}, {% macro %} and {% include %} do what they say,
and {{ name|upper }} passes it through a filter. A variable that is not defined
is an error, unless it has a default: {{ name|default:"x" }}, or is only asked
about: {% if name is defined %}.`)
