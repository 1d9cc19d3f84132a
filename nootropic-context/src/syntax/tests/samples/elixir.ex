defmodule Example.Session do
  @moduledoc """
  One session.
  """
  use GenServer
  alias Example.Store, as: Store

  @limit 16

  defstruct [:id, :name]

  @doc "Opens one."
  @spec open(integer) :: t
  def open(id) when is_integer(id) do
    Store.fetch(id)
    |> normalize()
  end

  # Closed twice is fine.
  defp close(%{id: id}), do: release(id)

  defmacro session(id) do
    quote do: unquote(id)
  end

  defguard is_open(x) when x > 0
  defdelegate size(pool), to: Pool

  defmodule Error do
    defexception [:message]
  end
end

defprotocol Closer do
  def close(x)
end

defimpl Closer, for: Example.Session do
  def close(x), do: x
end
