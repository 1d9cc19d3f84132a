import React, { useState } from "react";

type Props = { label: string };

/* A button. */
export function Button({ label }: Props) {
  const [on, setOn] = useState(false);
  const toggle = () => setOn(!on);
  return (
    <Panel onClick={toggle}>
      {label}
    </Panel>
  );
}

export const Card: React.FC<Props> = memo(({ label }) => {
  return <Button label={label} />;
});
